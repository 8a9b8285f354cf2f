import assert from "node:assert/strict";
import test from "node:test";
import type { Release } from "../../scripts/state/release.ts";
import {
  assertSecretsPresent,
  describeMissingSecrets,
} from "../../scripts/deploy/releaseSecrets.ts";
import type { Target } from "../../scripts/deploy/target.ts";
import type { Settings } from "../../scripts/settings/readSettings.ts";

const target = {
  prepared: { stack: { text: "password: ${LETTA_PG_PASSWORD}" }, collector: "key: ${DD_API_KEY}" },
} as unknown as Target;
const release = {
  id: "000001",
  secrets: { LETTA_PG_PASSWORD: "a", DD_API_KEY: "b", OPENAI_API_KEY: "c" },
} as unknown as Release;
const settings = (names: readonly string[]) =>
  ({
    environment: "prod",
    get: () => "",
    has: () => false,
    secretsFile: "env/prod.secrets.env",
    secrets: new Map(names.map((name) => [name, "x"])),
  }) as unknown as Settings;

test("a release whose secret is not set any more is refused, naming it and its file", () => {
  assert.throws(() => assertSecretsPresent(target, release, settings(["LETTA_PG_PASSWORD"])), {
    code: "SETTINGS_INVALID",
    details: ["env/prod.secrets.env: DD_API_KEY: expected a value, got nothing"],
  });
});

test("one that a part gets as a file is among them", () => {
  const text = "secrets:\n  key:\n    environment: GRAFANA_SECRET_KEY\n";
  const asFile = { prepared: { stack: { text }, collector: "" } } as unknown as Target;
  const made = { id: "000002", secrets: { GRAFANA_SECRET_KEY: "a" } } as unknown as Release;
  assert.throws(() => assertSecretsPresent(asFile, made, settings([])), {
    details: ["env/prod.secrets.env: GRAFANA_SECRET_KEY: expected a value, got nothing"],
  });
});

test("a certificate of the proxy's own is recognised by the settings that name its files", () => {
  const text = "a:\n    environment: PROXY_CERTIFICATE\nb:\n    environment: PROXY_KEY\n";
  const own = { prepared: { stack: { text }, collector: "" } } as unknown as Target;
  const secrets = { PROXY_CERTIFICATE: "a", PROXY_KEY: "b" };
  const made = { id: "000002", secrets } as unknown as Release;
  assert.throws(() => assertSecretsPresent(own, made, settings([])), {
    details: [
      "env/prod.env: PROXY_CERT_FILE: expected a value, got nothing",
      "env/prod.env: PROXY_KEY_FILE: expected a value, got nothing",
    ],
  });
});

test("one that the release does not use may go", () => {
  const present = settings(["LETTA_PG_PASSWORD", "DD_API_KEY"]);
  assertSecretsPresent(target, release, present);
});

test("a deploy whose present release lacks a secret says that no rollback is possible", () => {
  const texts = ["password: ${LETTA_PG_PASSWORD}", "key: ${DD_API_KEY}"];
  const [line, ...more] = describeMissingSecrets(release, texts, settings(["LETTA_PG_PASSWORD"]));
  assert.match(line ?? "", /rollback: not possible.*000001.*env\/prod\.secrets\.env: DD_API_KEY/);
  assert.deepEqual(more, []);
  const all = settings(["LETTA_PG_PASSWORD", "DD_API_KEY"]);
  assert.deepEqual(describeMissingSecrets(release, texts, all), []);
});
