import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { changesOf, devStack, roll, rolloutOn, type Rollout } from "./simulation.ts";

const fresh = changesOf(devStack, "create");
const { project } = devStack;

/** A fresh start that is interrupted at its nth call, before or after that has its effect. */
async function interruptedAt(
  nth: number,
  when: "before" | "after",
): Promise<Rollout & { problem?: Problem }> {
  let count = 0;
  const hook = () => {
    count += 1;
    if (count === nth) on.interrupt();
  };
  const on: Rollout = rolloutOn({ [when]: hook });
  try {
    await roll(on, devStack, fresh);
    return on;
  } catch (error) {
    return { ...on, problem: error as Problem };
  }
}

const whole = rolloutOn({});
await roll(whole, devStack, fresh);
const length = whole.engine.calls.length;

/** Compose does not end with the tool: what was on its way comes to its end. */
async function settled(on: Rollout): Promise<void> {
  for (let turns = 0; turns < 40; turns += 1) await on.engine.ping();
}

for (const when of ["before", "after"] as const) {
  for (let nth = 1; nth <= length; nth += 1) {
    const call = whole.engine.calls[nth - 1]!;
    test(`Ctrl-C ${when} call ${nth} (${call}) leaves no container and keeps the volumes`, async () => {
      const on = await interruptedAt(nth, when);
      await settled(on);
      if (on.problem === undefined) {
        assert.ok(nth >= length - 1, "only in its last look it is too late to stop");
        return;
      }
      assert.equal(on.problem.code, "INTERRUPTED");
      assert.match(on.problem.message, /nothing runs, all volumes are retained/);
      const left = await on.engine.containers(project);
      assert.deepEqual(
        left.map((one) => one.service),
        [],
      );
      assert.ok(!on.engine.changes.includes("down with volumes"));
      const begun = on.engine.changes.some((one) => one.startsWith("create"));
      const made = begun ? Object.keys(devStack.model["volumes"] as object).length : 0;
      assert.equal((await on.engine.volumes(project)).length, made);
    });
  }
}

test("Ctrl-C during a migration waits for its end before anything stops", async () => {
  const on: Rollout = rolloutOn({
    behaviours: { migrate: { after: 3 } },
    after: (call) => {
      if (call === "start migrate") on.interrupt();
    },
  });
  await assert.rejects(roll(on, devStack, fresh), { code: "INTERRUPTED" });
  const { calls } = on.engine;
  const ended = calls.lastIndexOf("inspect migrate");
  assert.equal(
    calls.slice(calls.indexOf("start migrate")).filter((one) => one === "inspect migrate").length,
    4,
  );
  assert.ok(ended < calls.indexOf("release postgres"));
  assert.ok(calls.indexOf("release postgres") < calls.indexOf("stop postgres"));
  assert.ok(!calls.includes("stop migrate"));
});

test("Ctrl-C in a repair takes away what this run made and leaves the rest running", async () => {
  const on: Rollout = rolloutOn({});
  await roll(on, devStack, fresh);
  const recreate = { service: "server", action: "recreate" as const, causes: ["image changed"] };
  const changes = [
    ...changesOf(devStack, "none").filter((one) => one.service !== "server"),
    recreate,
  ];
  const again = { ...on, context: { ...on.context, signal: AbortSignal.abort() } };
  await assert.rejects(roll(again, devStack, changes), {
    code: "INTERRUPTED",
    message: "interrupted: postgres, collector, redis still runs, all volumes are retained",
  });
  assert.ok(!on.engine.changes.includes("stop postgres"));
});
