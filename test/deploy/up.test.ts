import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { readJournal } from "../../scripts/state/journal.ts";
import { readReleases } from "../../scripts/state/releases.ts";
import { up } from "../../scripts/deploy/up.ts";
import { exampleSettings, rolloutOn, type Rollout } from "./simulation.ts";
import type { Behaviour } from "../fakes/simulatedEngine.ts";

/** An `up` on an empty engine that can pull, interrupted at the first call of this name. */
async function upUntil(call: string | undefined, behaviours: Record<string, Behaviour> = {}) {
  const settings = exampleSettings();
  const on: Rollout = rolloutOn({
    behaviours,
    after: (name) => {
      if (call !== undefined && name.startsWith(call)) on.interrupt();
    },
  });
  const problem = await up(settings, { recreate: [], wait: false }, on.context).then(
    () => undefined,
    (error: unknown) => error as Problem,
  );
  const directory = join(settings.stateDir, "dev");
  const left = await on.engine.containers(settings.project);
  return { problem, directory, left: left.map((one) => one.service), changes: on.engine.changes };
}

for (const call of ["create", "start migrate", "start server"]) {
  test(`Ctrl-C at ${call} leaves no container, no lock and a release that failed`, async () => {
    const { problem, directory, left } = await upUntil(call);
    assert.equal(problem?.code, "INTERRUPTED");
    assert.deepEqual(left, []);
    assert.ok(!existsSync(join(directory, "lock")));
    assert.deepEqual(
      readReleases(directory).map((one) => one.outcome),
      ["failed"],
    );
    const last = new Map(readJournal(directory).map((one) => [one.step, one.event]));
    assert.ok(![...last.values()].includes("begin"), "a step was begun and its end not written");
  });
}

test("Ctrl-C while images are pulled changes nothing but the images", async () => {
  const { directory, left, changes } = await upUntil("pull");
  assert.deepEqual(left, []);
  assert.deepEqual(
    changes.filter((one) => !one.startsWith("pull")),
    [],
  );
  assert.deepEqual(readReleases(directory), []);
  assert.ok(!existsSync(join(directory, "lock")));
});

test("a service that does not come up fails the release, and its containers stay to be looked at", async () => {
  const { problem, directory, left } = await upUntil(undefined, { server: { ends: "unhealthy" } });
  assert.equal(problem?.code, "STEP_FAILED");
  assert.equal(problem?.exit, 5);
  assert.ok(left.includes("server"));
  assert.equal(readReleases(directory)[0]?.outcome, "failed");
  assert.ok(!existsSync(join(directory, "lock")));
});

test("a stack that comes up and then answers no one is not a good release", async () => {
  const { problem, directory } = await upUntil(undefined);
  assert.equal(problem?.code, "STEP_FAILED");
  assert.match(problem?.details.join("\n") ?? "", /^server version: .*ECONNREFUSED/m);
  assert.equal(readReleases(directory)[0]?.outcome, "failed");
});
