import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import type { Release } from "../../scripts/state/release.ts";
import { keepRelease, updateRelease } from "../../scripts/state/releases.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { deploy } from "../../scripts/deploy/deploy.ts";
import { observeChanges } from "../../scripts/deploy/observeChanges.ts";
import { planRollout } from "../../scripts/deploy/planRollout.ts";
import {
  databasePlace,
  refuseOtherDatabase,
  refuseOtherPlace,
} from "../../scripts/deploy/assertSamePlace.ts";
import { up } from "../../scripts/deploy/up.ts";
import type { EnvironmentName } from "../../scripts/settings/environmentName.ts";
import type { Settings } from "../../scripts/settings/readSettings.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { settingsOf, targetOf } from "./exampleTarget.ts";
import { rolloutOn } from "./simulation.ts";

const uri = "postgresql://letta:outside-secret@db.example/letta";
const key = Buffer.alloc(32, 5);
const { services } = exampleRelease("000001");
const bundled = { ...services, postgres: services["server"]! };

/** A state directory whose newest good release has these services. */
function after(environment: EnvironmentName, had: Release["services"], asked: object = {}) {
  const settings = settingsOf(environment, { STATE_DIR: folder(), ...asked });
  const directory = stateDirectory(settings.stateDir, environment);
  const release = exampleRelease("000001", {
    environment,
    project: settings.project,
    services: had,
    secrets: {},
  });
  const { stack, collector } = targetOf(settings).prepared;
  const file = { "compose.yaml": stack.text, "collector.yaml": collector, "settings.env": "" };
  keepRelease(directory, release, file);
  updateRelease(directory, { ...release, outcome: "good" });
  return { settings, directory };
}

const withoutUri = (environment: EnvironmentName) => after(environment, services);
const withUri = (environment: EnvironmentName) =>
  after(environment, bundled, { LETTA_PG_URI: uri });

test("a database that is where it was is not refused", () => {
  for (const { settings, directory } of [
    after("prod", bundled),
    after("prod", services, { LETTA_PG_URI: uri }),
    after("prod", {}),
  ]) {
    refuseOtherPlace(settings, directory);
  }
  refuseOtherPlace(settingsOf("prod"), folder());
});

for (const [what, given, words] of [
  ["external to bundled", withoutUri, /000001 is external, the settings ask for the bundled/],
  ["bundled to external", withUri, /000001 is bundled, the settings ask for an external/],
] as const) {
  const asked = { reason: null, wait: false, recreate: [] };
  const runs: readonly [
    string,
    EnvironmentName,
    (settings: Settings, context: never) => unknown,
  ][] = [
    ["deploy", "prod", (settings, context) => deploy(settings, asked, context)],
    ["plan", "prod", (settings, context) => planRollout(settings, undefined, context)],
    ["up", "dev", (settings, context) => up(settings, asked, context)],
    ["plan", "dev", (settings, context) => observeChanges(settings, context)],
  ];
  for (const [name, environment, run] of runs) {
    test(`${name} ${environment}: ${what} is refused before anything is touched`, async () => {
      const { settings } = given(environment);
      const on = rolloutOn({});
      await assert.rejects(
        async () => run(settings, on.context as never),
        ({ code, exit, message, details, next }: Problem) => {
          assert.deepEqual([code, exit], ["DATABASE_REFUSED", 3]);
          assert.match(message, words);
          assert.match(next ?? "", /LETTA_PG_URI/);
          assert.match(details.join("\n"), /STACK_PROJECT and STATE_DIR/);
          assert.ok(!JSON.stringify([message, details]).includes("outside-secret"));
          return true;
        },
      );
      assert.deepEqual(on.engine.changes, []);
    });
  }
}

test("an external database's place is its host, port and name, whatever its role", () => {
  const place = (other: string) => databasePlace(settingsOf("prod", { LETTA_PG_URI: other }), key);
  assert.equal(place("postgresql://other:new-password-1@DB.example:5432/letta"), place(uri));
  assert.notEqual(place("postgresql://letta:outside-secret@db.example/other"), place(uri));
  assert.notEqual(place("postgresql://letta:outside-secret@db2.example/letta"), place(uri));
  assert.equal(databasePlace(settingsOf("prod"), key), undefined);
});

test("an external database at another address is refused unless it carries the installation's mark", () => {
  const at = (host: string) =>
    settingsOf("prod", { LETTA_PG_URI: `postgresql://letta:outside-secret@${host}/letta` });
  const place = databasePlace(at("db.example"), key)!;
  const present = { ...exampleRelease("000004"), format: 2, databasePlace: place };
  refuseOtherDatabase(at("db.example"), present, key, false);
  refuseOtherDatabase(at("new.example"), present, key, true);
  refuseOtherDatabase(at("new.example"), { ...exampleRelease("000004"), format: 2 }, key, false);
  assert.throws(() => refuseOtherDatabase(at("new.example"), present, key, false), {
    code: "DATABASE_REFUSED",
    exit: 3,
  });
});
