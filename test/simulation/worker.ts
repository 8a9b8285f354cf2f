// One thread of the simulation: takes runs until none is left, and tells what it saw.
import { parentPort, workerData } from "node:worker_threads";
import { replaceModules } from "./replaceModules.ts";
import type { Reported, WorkerParts } from "./simulate.ts";
import { Dead, world } from "./world.ts";

const {
  seed: firstSeed,
  runs,
  schedules,
  mutant,
  shrinks,
  traces,
  taken,
} = workerData as WorkerParts;
const count = schedules?.length ?? runs;
replaceModules(mutant);
const { beginningOf, oneRun } = await import("./oneRun.ts");
const { faultless, pastOf, scheduleOf } = await import("./schedule.ts");
const { digestOf } = await import("./replaced/labelKey.ts");
const { shrink } = await import("./shrink.ts");

// What no one waits for or listens to ends a real process; in one that was killed nothing is left to end.
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error: unknown) => {
    if (!(error instanceof Dead)) world().violate(`I4: no one heard: ${String(error)}`);
  });
}

const portion = 20;
const tell = (reported: Reported) => parentPort!.postMessage(reported);

for (let from = take(); from < count; from = take()) {
  const ends: string[] = [];
  let effects = 0;
  let done = 0;
  for (let at = from; at < Math.min(from + portion, count); at += 1) {
    const one = await run(at);
    done += 1;
    ends.push(...one.ends.map((end) => end.replace(/ \d{6}$/, "")));
    effects += one.effects;
    if (one.failed && mutant !== undefined) break;
  }
  tell({ done, effects, ends });
}

async function run(at: number) {
  const seed = schedules?.[at]?.seed ?? firstSeed + at;
  try {
    const schedule = schedules?.[at] ?? scheduleOf(seed, (await beginningOf(pastOf(seed))).menus);
    const seen = await oneRun(schedule);
    if (traces) tell({ traced: { seed, digest: digestOf(seen.trace().join("\n")) } });
    if (seen.violations.length === 0) return { ...seen, failed: false };
    const { violations } = seen;
    const shortest = shrinks ? await shrink(schedule, violations) : schedule;
    const { trace, ends, named } = await oneRun(shortest);
    const failure = { at, seed, violations, shortest, named: named(), trace: trace(), ends };
    tell({ failure });
    return { ...seen, failed: true };
  } catch (error) {
    // It goes wrong even where nothing is done to it.
    const violations = [(error as Error).stack ?? String(error)];
    const plain = schedules?.[at] ?? faultless(seed);
    tell({ failure: { at, seed, violations, shortest: plain, named: plain, trace: [], ends: [] } });
    return { effects: 0, ends: [], failed: true };
  }
}

function take(): number {
  return Atomics.add(taken, 0, portion);
}
