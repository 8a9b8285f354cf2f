import { closeSync, fsyncSync, openSync } from "node:fs";

/** Waits until the disk knows the names in a folder: a new file is not safe without its name. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
