import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes what a killed run had begun to write in a state directory: files that were still
 * to be renamed, and folders of releases. Only for who holds the lock.
 */
export function clearHalfWritten(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const isFolder = entry.isDirectory() && /^\.\d{6}$/.test(entry.name);
    if (!isFolder && !(entry.isFile() && entry.name.endsWith(".new"))) continue;
    rmSync(join(entry.parentPath, entry.name), { recursive: true, force: true });
  }
}
