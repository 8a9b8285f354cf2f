import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Schedule } from "./schedule.ts";

/**
 * Schedules that failed once, as data: a later change of the generator would draw another one from
 * the same seed. Their faults stand at effects by name, so that a longer run keeps them.
 */
const directory = join(import.meta.dirname, "schedules");

/** Of a fault that was found once, or of a mutant. */
type Kind = "once" | "mutants";

/** A stored schedule with what it once was: the fault it found, or the name of its mutant. */
export interface Stored {
  readonly once: string;
  readonly schedule: Schedule;
}

/** All of a kind, by the name of their file. */
export function storedSchedules(kind: Kind): Stored[] {
  return readdirSync(join(directory, kind))
    .toSorted()
    .map((file) => JSON.parse(readFileSync(join(directory, kind, file), "utf8")) as Stored);
}

/** Writes one, over an earlier one of the same fault. */
export function storeSchedule(kind: Kind, stored: Stored): string {
  mkdirSync(join(directory, kind), { recursive: true });
  const slug = stored.once.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const path = join(directory, kind, `${slug}.json`);
  writeFileSync(path, `${JSON.stringify(stored, null, 2)}\n`);
  return path;
}

/**
 * The same schedule in worlds of other chances: what a power cut leaves of a file is one of them, and
 * a line more in the tool draws others.
 */
export function chances(schedule: Schedule): Schedule[] {
  return Array.from({ length: 10 }, (_, at) => ({ ...schedule, seed: schedule.seed + at }));
}
