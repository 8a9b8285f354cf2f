import assert from "node:assert/strict";
import test from "node:test";
import type { Release } from "../../scripts/ledger/release.ts";
import { refuseMissingSecrets } from "../../scripts/rollout/refuseMissingSecrets.ts";
import type { Target } from "../../scripts/rollout/target.ts";
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
    secrets: new Map(names.map((name) => [name, "x"])),
  }) as unknown as Settings;

test("a release whose secret is not set any more is refused, naming it and its file", () => {
  assert.throws(() => refuseMissingSecrets(target, release, settings(["LETTA_PG_PASSWORD"])), {
    code: "SETTINGS_INVALID",
    details: ["env/prod.secrets.env: DD_API_KEY: expected a value, got nothing"],
  });
});

test("one that the release does not use may go", () => {
  const present = settings(["LETTA_PG_PASSWORD", "DD_API_KEY"]);
  refuseMissingSecrets(target, release, present);
});
