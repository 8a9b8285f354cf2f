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

test("whatever goes wrong at whatever moment, the seven invariants hold afterwards", async () => {
  const seen = await simulate({ seed, runs, workers: 2 });
  assert.deepEqual(seen.failures.map(reported), []);
  assert.equal(seen.runs, runs);
});

test("the same seed is the same run, whatever ran before it in the same thread", async () => {
  const one = await simulate({ seed: 900, runs: 60, workers: 1, traces: true });
  const two = await simulate({ seed: 920, runs: 40, workers: 2, traces: true });
  assert.equal(two.traces.size, 40);
  for (const [at, digest] of two.traces) assert.equal(digest, one.traces.get(at), `seed ${at}`);
});

for (const { once, schedule } of storedSchedules("once")) {
  test(`once ${once}`, async () => {
    const seen = await simulate({ schedules: [schedule], workers: 1 });
    assert.deepEqual(seen.failures.map(reported), []);
  });
}
