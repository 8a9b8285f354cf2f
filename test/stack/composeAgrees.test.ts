import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import {
  bundledClickHouse,
  bundledGrafana,
  exampleFragments,
  exampleStack,
  root,
  valuesWithImages,
} from "./exampleStack.ts";

type Model = { [key: string]: unknown };

const folder = mkdtempSync(join(tmpdir(), "compose-agrees-"));
after(() => rmSync(folder, { recursive: true }));

/** What the real Compose CLI makes of files; it asks no engine for that. */
function composeConfig(files: readonly string[], values: ReadonlyMap<string, string>): Model {
  const found = spawnSync(
    "docker",
    [
      "compose",
      "--env-file",
      "/dev/null",
      "--project-directory",
      join(root, "compose"),
      "-p",
      "example",
      ...files.flatMap((file) => ["-f", file]),
      "config",
      "--format",
      "json",
    ],
    {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: folder, ...Object.fromEntries(values) },
    },
  );
  assert.equal(found.status, 0, `compose config: ${found.stderr}`);
  return JSON.parse(found.stdout) as Model;
}

/** Without what only the tool adds, and what it leaves out: x-, labels, unset entries. */
function comparable(model: Model): Model {
  const services = Object.entries(model["services"] as Record<string, Model>).map(
    ([name, service]) => {
      const { labels: _ours, ...own } = service;
      const environment = Object.entries((own["environment"] ?? {}) as Model);
      return [
        name,
        {
          ...own,
          environment: Object.fromEntries(environment.filter(([, value]) => value !== null)),
        },
      ];
    },
  );
  const configs = Object.entries((model["configs"] ?? {}) as Record<string, Model>).map(
    ([name, one]) => [name, { ...one, content: "" }],
  );
  const retained = Object.entries(model).filter(([key]) => !key.startsWith("x-"));
  return {
    ...Object.fromEntries(retained),
    services: Object.fromEntries(services),
    configs: Object.fromEntries(configs),
  };
}

test("Compose makes of an environment's sources what it makes of our rendered file", async (t) => {
  const { status, stderr, error } = spawnSync("docker", ["compose", "version", "--short"], {
    encoding: "utf8",
  });
  assert.equal(
    status,
    0,
    `expected the docker CLI with its compose plugin (no engine is needed): ${error?.message ?? stderr}`,
  );
  for (const environment of environmentNames) {
    await t.test(environment, () => agrees(environment));
  }
  await t.test("with a bundled ClickHouse and Grafana", () =>
    agrees("prod", { ...bundledClickHouse, ...bundledGrafana }),
  );
  await t.test("with a proxy and its own certificate", () =>
    agrees("dev", { PROXY: "true", PROXY_CERT_FILE: "proxy.pem", PROXY_KEY_FILE: "proxy.key" }),
  );
});

function agrees(environment: string, more: Readonly<Record<string, string>> = {}): void {
  const hostile = {
    ...more,
    OTEL_BSP_SCHEDULE_DELAY: "0123",
    LETTA_PG_USER: "us$er ${HOME} $$",
    LETTA_DEBUG: "yes",
  };
  const values = valuesWithImages(environment, hostile);
  const given = new Map([...values].filter(([, value]) => value !== ""));
  const parts = exampleFragments(environment, hostile);
  const configs = join(folder, `${environment}-${Object.keys(more).length}-configs.yaml`);
  const declared = [...parts.configs.keys()].map((name) => [name, { content: "any" }]);
  writeFileSync(configs, JSON.stringify({ configs: Object.fromEntries(declared) }));
  const rendered = join(folder, `${environment}-${Object.keys(more).length}.yaml`);
  writeFileSync(rendered, exampleStack(environment, hostile).text);

  const sources = composeConfig([...parts.files.map((file) => join(root, file)), configs], given);
  assert.deepEqual(comparable(composeConfig([rendered], given)), comparable(sources));
}
