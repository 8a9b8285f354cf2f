import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { project } from "./project.ts";

const secrets = {
  LETTA_PG_PASSWORD: "of-nobody-at-all",
  LETTA_SERVER_PASSWORD: "of-nobody-at-all",
  LETTA_ENCRYPTION_KEY: "of-nobody-at-all",
  LETTA_SOURCE_DIR: "/srv/letta",
};

for (const environment of environmentNames) {
  test(`${environment} says how long to watch and to wait, and how much of the past to keep`, (context) => {
    const settings = project(context).read(environment, secrets);
    for (const name of [
      "BAKE_SECONDS",
      "BAKE_GATE_REQUESTS",
      "BAKE_GATE_SLOWER",
      "HOOK_SECONDS",
      "DATABASE_WAIT_SECONDS",
      "MIGRATION_WAIT_SECONDS",
      "COLLECTOR_WAIT_SECONDS",
      "SERVER_WAIT_SECONDS",
      "RELEASES_KEEP",
      "BACKUPS_KEEP",
      "BACKUPS_DAYS",
    ] as const)
      assert.ok(Number(settings.get(name)) >= 1, `${name}=${settings.get(name)}`);
  });
}

test("whether prod asks for a proof of staging is said where prod is, and nowhere else", (context) => {
  const { read } = project(context);
  for (const environment of environmentNames)
    assert.equal(read(environment, secrets).has("REQUIRE_STAGING"), environment === "prod");
});

test("no environment turns a release back by its telemetry unless somebody asked for it", (context) => {
  const { read } = project(context);
  for (const environment of environmentNames)
    assert.equal(read(environment, secrets).get("BAKE_GATE"), "false");
});
