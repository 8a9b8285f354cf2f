// `npm run simulate -- --runs 100000 --seed N`: the real rollout, recovery and ledger on a
// simulated machine, see test/simulation/. `--seed N --runs 1` runs a failing seed again and
// tells all that happened.
import { availableParallelism } from "node:os";
import { numberOptions } from "./numberOptions.ts";
import { simulate, type Failure } from "./simulation/simulate.ts";

const usage = `npm run simulate -- [--runs 1000] [--seed N] [--workers N]
Rolls releases out on a simulated machine with faults at every point; --seed N --runs 1 tells all of a run.`;
const { runs, seed, workers } = numberOptions(usage, {
  runs: 1000,
  seed: Math.floor(Date.now() / 1000),
  workers: Math.min(2, availableParallelism()),
});
const say = (text: string) => void process.stdout.write(`${text}\n`);
const shownFailures = 20;
const shownSteps = 60;

say(`simulate --runs ${runs} --seed ${seed} --workers ${workers}`);
let told = performance.now();
const { failures, ends, ...done } = await simulate({
  seed,
  runs,
  workers,
  onProgress(count) {
    if (performance.now() - told < 30_000) return;
    told = performance.now();
    say(`${count} runs`);
  },
});
for (const one of failures.slice(0, shownFailures)) show(one);
if (runs === 1 || failures.length > 0) say("");
const most = [...ends].sort((a, b) => b[1] - a[1]);
for (const [end, count] of most.slice(0, runs === 1 ? most.length : 0)) say(`${count} ${end}`);
const perRun = (done.effects / Math.max(1, done.runs)).toFixed(0);
const rate = (done.runs / done.seconds).toFixed(1);
say(
  `${done.runs} runs in ${done.seconds.toFixed(1)} s (${rate} a second, ${perRun} effects each), ` +
    `${failures.length} violated an invariant`,
);
process.exitCode = failures.length === 0 ? 0 : 1;

function show({ seed: failed, violations, shortest, trace, ends: ended }: Failure): void {
  say(`\nseed ${failed}: ${violations.join("\n  ")}`);
  say(`  again: npm run simulate -- --seed ${failed} --runs 1`);
  say(`  shortest schedule: ${JSON.stringify(shortest)}`);
  say(`  its commands: ${ended.join(" | ")}`);
  const from = runs === 1 ? 0 : Math.max(0, trace.length - shownSteps);
  for (const line of trace.slice(from)) say(`    ${line}`);
}
