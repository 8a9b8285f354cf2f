import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate, type Failure } from "./simulate.ts";

// Other runs each day; all of them: npm run simulate -- --runs 100000
const runs = 300;
const day = Number(process.env["SIMULATION_SEED"] ?? Math.floor(Date.now() / 86_400_000) * runs);
process.stderr.write(`simulation.test.ts: SIMULATION_SEED=${day}\n`);

function told({ seed, violations, shortest, ends }: Failure): string {
  const schedule = `shortest schedule: ${JSON.stringify(shortest)}`;
  return [`seed ${seed}`, ...violations, schedule, ends.join(" | ")].join("\n  ");
}

test("whatever goes wrong at whatever moment, the seven invariants hold afterwards", async () => {
  const seen = await simulate({ seed: day, runs, workers: 2 });
  assert.deepEqual(seen.failures.map(told), []);
  assert.equal(seen.runs, runs);
});

// Once, the way back of a way back took the failed database for the one from before; a first
// deploy, tried again and failed again, left requests waiting at the proxy for nobody.
for (const seed of [701_518, 705_985, 2435]) {
  test(`seed ${seed}, which found something, finds nothing any more`, async () => {
    const seen = await simulate({ seed, runs: 1, workers: 1 });
    assert.deepEqual(seen.failures.map(told), []);
  });
}
