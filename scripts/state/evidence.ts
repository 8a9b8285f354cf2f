import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const mostBytes = 2 * 1024 * 1024;

/**
 * Keeps what was seen before it is removed: a log, an inspection. Of a text above 2 MB the
 * end is retained, and its first line says so.
 * @param directory an environment's state directory
 * @param release the release it is about
 * @param name of the file; what no file name should have becomes "_"
 * @returns its path
 */
export function keepEvidence(
  directory: string,
  release: string,
  name: string,
  text: string,
): string {
  const folder = join(directory, "evidence", safe(release));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, safe(name));
  writeFile(path, capped(text));
  return path;
}

/**
 * The evidence that may go: of all but the newest failed runs.
 * @param keep how many stay
 * @returns names below `evidence/`
 */
export function expiredEvidence(directory: string, keep: number): string[] {
  const folder = join(directory, "evidence");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).toSorted().toReversed().slice(keep);
}

/** Removes what `expiredEvidence` named. */
export function removeEvidence(directory: string, name: string): void {
  rmSync(join(directory, "evidence", safe(name)), { recursive: true, force: true });
}

/** One name below a folder, never a way out of it or a hidden file. */
function safe(name: string): string {
  const plain = name.replaceAll(/[^\w.-]/g, "_").replace(/^\.+/, "_");
  return plain === "" ? "_" : plain.slice(-200);
}

function capped(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= mostBytes) return text;
  const note = `(the first of ${bytes.length} bytes were left out)\n`;
  let start = bytes.length - (mostBytes - note.length);
  // Not in the middle of a character: its further bytes begin with the bits 10.
  while (((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return note + bytes.subarray(start).toString("utf8");
}
