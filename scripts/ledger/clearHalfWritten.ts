import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What is written before a command's first line in the journal goes into these. */
const early = [".", "histories"];

/**
 * Removes what a killed run had begun to write in a state directory: files that were still
 * to be renamed, and folders of releases. Only for who holds the lock.
 * @param isEverywhere false looks only where a run writes of which the journal says nothing
 */
export function clearHalfWritten(directory: string, isEverywhere: boolean): void {
  const places = isEverywhere ? [directory] : early.map((name) => join(directory, name));
  const entries = places
    .filter((place) => existsSync(place))
    .flatMap((place) => readdirSync(place, { recursive: isEverywhere, withFileTypes: true }));
  for (const entry of entries) {
    const isFolder = entry.isDirectory() && /^\.\d{6}$/.test(entry.name);
    if (!isFolder && !(entry.isFile() && entry.name.endsWith(".new"))) continue;
    rmSync(join(entry.parentPath, entry.name), { recursive: true, force: true });
  }
}
