import { Worker } from "node:worker_threads";
import type { Mutant } from "./mutants.ts";
import type { Schedule } from "./schedule.ts";

/** Which runs, and what is to be done about one that fails. */
export interface Requested {
  /** The first run's seed; each further run has the next one. */
  readonly seed?: number;
  readonly runs?: number;
  /** Runs these instead. */
  readonly schedules?: readonly Schedule[];
  readonly workers: number;
  /** Whether a schedule that fails is made as short as can be; without a mutant it is. */
  readonly shrinks?: boolean;
  /** Whether what happened in each run is digested, for two runs of a seed to be compared. */
  readonly traces?: boolean;
  /** A mistake that the simulation is to find. */
  readonly mutant?: Mutant;
  /** Ends at the first that fails. */
  readonly untilFailure?: boolean;
  /** Reported each run that fails, as soon as it is as short as can be. */
  readonly onFailure?: (failure: Failure) => void;
  /** Reported now and then how many runs are done. */
  readonly onProgress?: (done: number) => void;
}

/** A run in which something did not hold. */
export interface Failure {
  /** Its place among the runs or schedules that were requested, from 0. */
  readonly at: number;
  readonly seed: number;
  readonly violations: readonly string[];
  /** The shortest that was found to fail in the same way. */
  readonly shortest: Schedule;
  /** The same, as it is stored: its faults by the names of the effects. */
  readonly named: Schedule;
  /** What happened in that one. */
  readonly trace: readonly string[];
  /** How its commands ended. */
  readonly ends: readonly string[];
}

export interface Simulated {
  readonly runs: number;
  readonly seconds: number;
  readonly effects: number;
  /** How often commands ended how: "deploy 2.0.0: dead". */
  readonly ends: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
  /** A digest of all that happened, by seed, where it was asked for. */
  readonly traces: ReadonlyMap<number, string>;
}

/** What a worker says: now and then, and of each run that failed. */
export type Reported =
  | { readonly done: number; readonly effects: number; readonly ends: readonly string[] }
  | { readonly failure: Failure }
  | { readonly traced: { readonly seed: number; readonly digest: string } };

/** What a worker is given. */
export interface WorkerParts {
  readonly seed: number;
  readonly runs: number;
  readonly schedules: readonly Schedule[] | undefined;
  readonly mutant: Mutant | undefined;
  readonly shrinks: boolean;
  readonly traces: boolean;
  /** Runs that were taken, over all workers. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** Runs schedules on so many threads, each in worlds of its own. */
export async function simulate(requested: Requested): Promise<Simulated> {
  const { seed = 1, schedules, mutant, onProgress, onFailure, untilFailure = false } = requested;
  const {
    runs = schedules?.length ?? 1,
    shrinks = mutant === undefined,
    traces = false,
  } = requested;
  const started = performance.now();
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const failures: Failure[] = [];
  const ends = new Map<string, number>();
  const digests = new Map<number, string>();
  let done = 0;
  let effects = 0;
  const parts: WorkerParts = { seed, runs, schedules, mutant, shrinks, traces, taken };
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), {
        workerData: parts,
        // A run's garbage is gone with it: it is not worth to be retained and sorted.
        resourceLimits: { maxYoungGenerationSizeMb: 256 },
      });
      worker.on("message", (reported: Reported) => {
        if ("traced" in reported) {
          digests.set(reported.traced.seed, reported.traced.digest);
          return;
        }
        if ("failure" in reported) {
          failures.push(reported.failure);
          onFailure?.(reported.failure);
          if (untilFailure) Atomics.store(taken, 0, runs);
          return;
        }
        done += reported.done;
        effects += reported.effects;
        for (const one of reported.ends) ends.set(one, (ends.get(one) ?? 0) + 1);
        onProgress?.(done);
      });
      worker.once("error", reject);
      worker.once("exit", () => resolve());
    });
  await Promise.all(Array.from({ length: requested.workers }, work));
  failures.sort((a, b) => a.seed - b.seed);
  const seconds = (performance.now() - started) / 1000;
  return { runs: done, seconds, effects, ends, failures, traces: digests };
}
