import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { changesOf, devStack, roll, rolloutOn, type Rollout } from "./simulation.ts";

const fresh = changesOf(devStack, "create");
const { project } = devStack;

/** A fresh start that is interrupted at its nth call, before or after that has its effect. */
async function interruptedAt(nth: number, when: "before" | "after"): Promise<Rollout & { problem?: Problem }> {
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

/** What is still on its way when the tool has ended: Compose does not stop with it. */
const settled = async (on: Rollout) => {
  for (let turns = 0; turns < 20; turns += 1) await on.engine.ping();
};

/** Where Compose was starting a part: it makes anew what undo has removed. */
const starting = (on: Rollout, nth: number) => {
  const name = whole.engine.calls[nth - 1] ?? "";
  const next = whole.engine.calls.slice(nth - 1, nth + 8).find((one) => one.startsWith("compose start"));
  return on.engine.changes.at(-1)?.startsWith("compose start") === true ? `${name} before ${next}` : undefined;
};

for (const when of ["before", "after"] as const) {
  for (let nth = 1; nth <= length; nth += 1) {
    test(`Ctrl-C ${when} call ${nth} (${whole.engine.calls[nth - 1]}) leaves no container and keeps the volumes`, async () => {
      const on = await interruptedAt(nth, when);
      await settled(on);
      if (on.problem === undefined) return assert.equal(nth, length, "only the last call is too late to stop");
      assert.equal(on.problem.code, "INTERRUPTED");
      assert.match(on.problem.message, /nothing runs, all volumes are kept/);
      assert.deepEqual(
        (await on.engine.containers(project)).map((one) => one.service),
        [],
        starting(on, nth),
      );
      assert.ok(!on.engine.changes.includes("down with volumes"));
      if (on.engine.changes.some((one) => one.startsWith("create"))) {
        assert.equal((await on.engine.volumes(project)).length, 6);
      }
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
  assert.equal(calls.slice(calls.indexOf("start migrate")).filter((one) => one === "inspect migrate").length, 4);
  assert.ok(ended < calls.indexOf("release postgres"));
  assert.ok(calls.indexOf("release postgres") < calls.indexOf("stop postgres"));
  assert.ok(!calls.includes("stop migrate"));
});

test("Ctrl-C in a repair takes away what this run made and leaves the rest running", async () => {
  const on: Rollout = rolloutOn({});
  await roll(on, devStack, fresh);
  const recreate = { service: "server", action: "recreate" as const, causes: ["image changed"] };
  const changes = [...changesOf(devStack, "none").filter((one) => one.service !== "server"), recreate];
  const again = { ...on, tools: { ...on.tools, signal: AbortSignal.abort() } };
  await assert.rejects(roll(again, devStack, changes), {
    code: "INTERRUPTED",
    message: "interrupted: postgres, collector still runs, all volumes are kept",
  });
  assert.ok(!on.engine.changes.includes("stop postgres"));
});
