import { existsSync, readdirSync, rmSync, type Dirent } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./syncFolder.ts";

/** What is written before a command's first line in the journal goes into these. */
const early = [".", "histories"];

/**
 * Removes what a killed run had begun to write in a state directory: files that were still
 * to be renamed, and folders of releases. Only for who holds the lock.
 * @param isEverywhere false looks only where a run writes of which the journal says nothing
 */
export function removePartialWrites(directory: string, isEverywhere: boolean): void {
  const places = isEverywhere ? [directory] : early.map((name) => join(directory, name));
  const entries = places
    .filter((place) => existsSync(place))
    .flatMap((place) => readdirSync(place, { recursive: isEverywhere, withFileTypes: true }));
  const isHalf = (entry: Dirent) =>
    entry.isDirectory() ? /^\.\d{6}$/.test(entry.name) : entry.name.endsWith(".new");
  const half = entries.filter((entry) => isHalf(entry) && (entry.isDirectory() || entry.isFile()));
  for (const { parentPath, name } of half)
    rmSync(join(parentPath, name), { recursive: true, force: true });
  // No later run looks again: a power cut must bring back neither these, nor what a killed run had renamed
  // and not synced.
  const looked = isEverywhere ? entries : half;
  for (const folder of new Set(looked.map((one) => one.parentPath)))
    if (existsSync(folder)) syncFolder(folder);
}
