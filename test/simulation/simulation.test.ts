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

const once = {
  701_518: "the way back of a way back took the failed database for the one from before",
  705_985: "so did another one",
  9150: "a first line that the disk refused cost who had begun the command",
  20_264_000: "a database that had come back was not migrated, as its container had run before",
  20_286_040: "a database that a first deploy was still migrating was taken for an empty one",
  20_289_898: "a way back that the disk refused left its own sheet begun for ever",
  20_344_344: "a database that had just stopped was taken for one still to be made, and not copied",
  30_308_056: "a part that its engine was about to start again was taken for one that fails anew",
  50_003_180: "a power cut let requests to a server that goes on, and the copy came back over them",
  50_089_125: "a name that a killed run had not synced came back with a power cut",
  60_311_233:
    "a way back in vain left two servers, and the next deploy had nothing to do to either",
};
for (const [seed, what] of Object.entries(once)) {
  test(`seed ${seed}: once ${what}`, async () => {
    const seen = await simulate({ seed: Number(seed), runs: 1, workers: 1 });
    assert.deepEqual(seen.failures.map(told), []);
  });
}
