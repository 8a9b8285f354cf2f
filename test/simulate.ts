// `npm run simulate -- --runs 100000 --seed N`: the real rollout, recovery and state on a
// simulated machine, see test/simulation/. `--seed N --runs 1` runs a failing seed again and
// tells all that happened.
import { availableParallelism } from "node:os";
import { numberOptions } from "./numberOptions.ts";
import { mutants } from "./simulation/mutants.ts";
import type { Schedule } from "./simulation/schedule.ts";
import { simulate, type Failure } from "./simulation/simulate.ts";
import { chances, storeSchedule, storedSchedules } from "./simulation/stored.ts";

const usage = `npm run simulate -- [--runs 1000] [--seed N] [--workers N] [--store 1] [--mutants N]
Rolls releases out on a simulated machine with faults at every point; --seed N --runs 1 tells all of a run.
--store 1 stores the shortest schedule of each run that fails, as test/simulation/schedules/once/seed-*.json.
--mutants N stores one for each mutant that its stored schedule does not find, found in at most N runs.`;
const {
  runs,
  seed,
  workers,
  store,
  mutants: mutantRuns,
} = numberOptions(usage, {
  runs: 1000,
  seed: Math.floor(Date.now() / 1000),
  workers: Math.min(2, availableParallelism()),
  store: 0,
  mutants: 0,
});
const reporter = (text: string) => void process.stdout.write(`${text}\n`);
const shownFailures = 20;
const shownSteps = 60;

process.exitCode = (await (mutantRuns > 0 ? storeMutants() : simulateRuns())) ? 0 : 1;

async function simulateRuns(): Promise<boolean> {
  reporter(`simulate --runs ${runs} --seed ${seed} --workers ${workers}`);
  let reported = performance.now();
  let count = 0;
  const { failures, ends, ...done } = await simulate({
    seed,
    runs,
    workers,
    // At once: a long run may be ended before it has come to its end.
    onFailure(one) {
      if ((count += 1) <= shownFailures) show(one);
      const { seed: failed, named } = one;
      if (store > 0) reporter(storeSchedule("once", { once: `seed ${failed}`, schedule: named }));
    },
    onProgress(ran) {
      if (performance.now() - reported < 30_000) return;
      reported = performance.now();
      reporter(`${ran} runs`);
    },
  });
  if (runs === 1 || failures.length > 0) reporter("");
  const most = [...ends].sort((a, b) => b[1] - a[1]);
  for (const [end, count] of most.slice(0, runs === 1 ? most.length : 0))
    reporter(`${count} ${end}`);
  const perRun = (done.effects / Math.max(1, done.runs)).toFixed(0);
  const rate = (done.runs / done.seconds).toFixed(1);
  reporter(
    `${done.runs} runs in ${done.seconds.toFixed(1)} s (${rate} a second, ${perRun} effects each), ` +
      `${failures.length} violated an invariant`,
  );
  return failures.length === 0;
}

async function storeMutants(): Promise<boolean> {
  const known = new Map(storedSchedules("mutants").map((one) => [one.once, one.schedule]));
  let areFound = true;
  for (const mutant of mutants) {
    const schedule = known.get(mutant.name);
    const finds = async (one: Schedule) => {
      const seen = await simulate({ schedules: chances(one), workers: 1, mutant });
      return seen.failures.length > 0;
    };
    if (schedule !== undefined && (await finds(schedule))) continue;
    const { seed: first = 1 } = mutant;
    const search = { seed: first, runs: mutantRuns, workers, untilFailure: true, shrinks: true };
    const { failures } = await simulate({ ...search, mutant });
    const named = failures[0]?.named;
    const isFound = named !== undefined && (await finds(named));
    areFound &&= isFound;
    reporter(`${mutant.name}: ${isFound ? "" : "NOT FOUND"}`);
    if (isFound) reporter(`  ${storeSchedule("mutants", { once: mutant.name, schedule: named })}`);
  }
  return areFound;
}

function show({ seed: failed, violations, shortest, trace, ends: ended }: Failure): void {
  reporter(`\nseed ${failed}: ${violations.join("\n  ")}`);
  reporter(`  again: npm run simulate -- --seed ${failed} --runs 1`);
  reporter(`  shortest schedule: ${JSON.stringify(shortest)}`);
  reporter(`  its commands: ${ended.join(" | ")}`);
  const from = runs === 1 ? 0 : Math.max(0, trace.length - shownSteps);
  for (const line of trace.slice(from)) reporter(`    ${line}`);
}
