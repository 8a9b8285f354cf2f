import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Writes a file whole or not at all: beside it, to the disk, then renamed over it. Mode 0600. */
export function writeFile(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`;
  const file = openSync(beside, "w", 0o600);
  writeFileSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(beside, path);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}
