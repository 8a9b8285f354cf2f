import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { isDiskFailure } from "./isDiskFailure.ts";
import { writeFile } from "./writeFile.ts";

/** A release's texts, its manifests and the journal's lines of a rollback take a tenth of it. */
const bytes = 512 * 1024;

/**
 * Reserves space in a state directory, so that a rollback can be recorded when the disk
 * has filled up meanwhile. Costs a look where it is there.
 * @param directory an environment's state directory
 * @throws Problem STATE_UNUSABLE where there is no space for it
 */
export function diskReserve(directory: string): void {
  const path = place(directory);
  if (statSync(path, { throwIfNoEntry: false })?.size === bytes) return;
  try {
    writeFile(path, "reserved".repeat(bytes / 8));
  } catch (error) {
    if (!isDiskFailure(error)) throw error;
    const why = (error as Error).message;
    throw new Problem("STATE_UNUSABLE", `${directory}: expected space for ${bytes} bytes, ${why}`, {
      next: `df ${directory}`,
      cause: error,
    });
  }
}

/** Frees the reserved space for writing. */
export function freeDiskReserve(directory: string): void {
  rmSync(place(directory), { force: true });
}

const place = (directory: string) => join(directory, "reserve");
