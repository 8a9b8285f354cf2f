import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes what a killed run had begun to write in a state directory: files that were still
 * to be renamed, and folders of releases. Only for who holds the lock.
 */
export function clearHalfWritten(directory: string): void {
  const folders = (name: string) =>
    readdirSync(join(directory, name), { withFileTypes: true })
      .filter((one) => one.isDirectory() && /^\d{6}/.test(one.name))
      .map((one) => join(name, one.name));
  const parents = ["releases", "evidence"].filter((name) => existsSync(join(directory, name)));
  for (const folder of ["", "backups", ...parents, ...parents.flatMap(folders)]) {
    if (!existsSync(join(directory, folder))) continue;
    for (const name of readdirSync(join(directory, folder))) {
      const isHalf = name.endsWith(".new") || (folder === "releases" && /^\.\d{6}$/.test(name));
      if (isHalf) rmSync(join(directory, folder, name), { recursive: true, force: true });
    }
  }
}
