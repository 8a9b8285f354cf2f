import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * Writes a secrets file (0600) whole or not at all, and onto the disk: a run interrupted in
 * between must not leave half a key.
 * @param replace whether a file may be there; without it, one that is there stays
 * @returns false when a file was there that may not be replaced
 */
export function writeSecretFile(path: string, text: string | Buffer, replace: boolean): boolean {
  const draft = `${path}.${process.pid}.secrets.env`; // the ending git ignores
  rmSync(draft, { force: true });
  const opened = openSync(draft, "wx", 0o600);
  try {
    writeFileSync(opened, text);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  try {
    // A link, other than a rename, fails where something is there already.
    if (replace) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  syncDirectory(dirname(path));
  return true;
}

function syncDirectory(directory: string): void {
  const opened = openSync(directory, "r");
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
