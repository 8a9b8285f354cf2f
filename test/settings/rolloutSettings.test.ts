import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { project } from "./project.ts";

const secrets = {
  LETTA_PG_PASSWORD: "of-no-one-at-all",
  LETTA_SERVER_PASSWORD: "of-no-one-at-all",
  LETTA_ENCRYPTION_KEY: "of-no-one-at-all",
  LETTA_SOURCE_DIR: "/srv/letta",
};

for (const environment of environmentNames) {
  test(`${environment} says how long to watch and to wait, and how much of the past to keep`, (context) => {
    const settings = project(context).read(environment, secrets);
    for (const name of [
      "BAKE_TIME",
      "BAKE_GATE_REQUESTS",
      "BAKE_GATE_SLOWER",
      "HOOK_TIMEOUT",
      "DATABASE_TIMEOUT",
      "MIGRATION_TIMEOUT",
      "COLLECTOR_TIMEOUT",
      "SERVER_TIMEOUT",
      "RELEASES_KEEP",
      "BACKUPS_KEEP",
      "BACKUPS_KEEP_FOR",
    ] as const)
      assert.ok(Number.parseFloat(settings.get(name)) >= 1, `${name}=${settings.get(name)}`);
  });
}

test("whether prod asks for a verification of staging is said where prod is, and nowhere else", (context) => {
  const { read } = project(context);
  for (const environment of environmentNames)
    assert.equal(read(environment, secrets).has("REQUIRE_STAGING"), environment === "prod");
});

test("no environment turns a release back by its telemetry unless someone asked for it", (context) => {
  const { read } = project(context);
  for (const environment of environmentNames)
    assert.equal(read(environment, secrets).get("BAKE_GATE"), "false");
});
