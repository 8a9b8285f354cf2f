import {
  closeSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "../common/problem.ts";

/** Writes a file whole or not at all: next to it, to the disk, then renamed over it. Mode 0600. */
export function writeFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = openSync(temporary, "w", 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Waits until the disk knows the names in a folder: a new file is not safe without its name. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Whether a file could not be written because of its disk: full, broken, or not to be written. */
export function isDiskFailure(error: unknown): boolean {
  const { code = "" } = (error ?? {}) as NodeJS.ErrnoException;
  return ["ENOSPC", "EDQUOT", "EIO", "EROFS"].includes(code);
}

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
