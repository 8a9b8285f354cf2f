import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../scripts/common/problem.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import { releaseFormat } from "../../scripts/state/release.ts";
import { keepRelease, readRelease, updateRelease } from "../../scripts/state/releases.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { rollbackAutomatically } from "../../scripts/deploy/rollbackAutomatically.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { exampleSettings, rolloutOn } from "./simulation.ts";

/** The rollback of the one release there is, with a proxy that runs. */
async function afterFirst(
  outcome: "begun" | "good",
  error: Error = new Error("the server is unhealthy"),
  fails: Partial<Engine> = {},
) {
  const directory = stateDirectory(folder(), "dev");
  const settings = exampleSettings();
  const on = rolloutOn({});
  on.engine.put(settings.project, { service: "proxy", state: "running" });
  const failed = { ...exampleRelease("000001"), format: releaseFormat };
  keepRelease(directory, failed, { "compose.yaml": "", "collector.yaml": "", "settings.env": "" });
  updateRelease(directory, { ...failed, outcome });
  const session = {
    directory,
    context: { ...on.context, engine: { ...on.engine, ...fails } },
    by: "ann@box",
    command: "deploy:dev",
    reason: null,
    begunMs: 0,
    afterInterruption: false,
    damaged: [],
    retained: [],
  };
  const problem = await rollbackAutomatically({ failed, settings, error }, session);
  return { directory, problem, calls: on.engine.calls, left: readRelease(directory, failed.id) };
}

test("where nothing was good before, requests that wait are let go", async () => {
  const { problem, calls } = await afterFirst("begun");
  assert.equal(problem.code, "STEP_FAILED");
  assert.match(problem.message, /there is no good release to roll back to/);
  assert.equal(calls.at(-2), "exec proxy");
});

test("a failed release that the disk has as good is nothing to go back to", async () => {
  const { problem, left } = await afterFirst("good");
  assert.match(problem.message, /there is no good release to roll back to/);
  assert.ok("outcome" in left && left.outcome === "failed");
});

test("a run that has lost its lock rolls back to nothing: another may be at work", async () => {
  const { problem, calls, left } = await afterFirst("begun", new Problem("LOCK_LOST", "lost"));
  assert.equal(problem.code, "LOCK_LOST");
  assert.deepEqual(calls, []);
  assert.ok("outcome" in left && left.outcome === "begun", "the next command takes it back");
});

test("a log that cannot be read costs that log, not the rollback", async () => {
  const unreadable = () => Promise.reject(new Error("the logging driver does not support reading"));
  const { directory, problem } = await afterFirst("begun", undefined, { tail: unreadable });
  assert.match(problem.message, /there is no good release to roll back to/);
  const log = readFileSync(join(directory, "evidence", "000001", "proxy.log"), "utf8");
  assert.match(log, /could not be read: the logging driver/);
});
