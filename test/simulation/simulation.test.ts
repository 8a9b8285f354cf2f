import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate, type Failure } from "./simulate.ts";
import { storedSchedules } from "./stored.ts";

// Always the same runs; others: npm run simulate -- --runs 100000 --seed N
const runs = 300;
const seed = Number(process.env["SIMULATION_SEED"] ?? 1);

function reported({ seed: failed, violations, shortest, ends }: Failure): string {
  const schedule = `shortest schedule: ${JSON.stringify(shortest)}`;
  return [`seed ${failed}`, ...violations, schedule, ends.join(" | ")].join("\n  ");
}

// Starting a thread costs as much as fifty runs: what can share one does.
const simulated = simulate({ seed, runs, workers: 2, traces: true });

test("whatever goes wrong at whatever moment, the seven invariants hold afterwards", async () => {
  const seen = await simulated;
  assert.deepEqual(seen.failures.map(reported), []);
  assert.equal(seen.runs, runs);
});

test("the same seed is the same run, whatever ran before it in the same thread", async () => {
  const { traces } = await simulated;
  const again = await simulate({ seed: seed + 60, runs: 40, workers: 1, traces: true });
  assert.equal(again.traces.size, 40);
  for (const [at, digest] of again.traces) assert.equal(digest, traces.get(at), `seed ${at}`);
});

test("what was found once does not come back", async (t) => {
  const stored = storedSchedules("once");
  const schedules = stored.map((one) => one.schedule);
  const { failures } = await simulate({ schedules, workers: 1 });
  for (const [place, { once }] of stored.entries()) {
    const own = failures.filter(({ at }) => at === place);
    await t.test(once, () => assert.deepEqual(own.map(reported), []));
  }
});
