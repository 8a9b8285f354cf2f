import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../common/processMark.ts";

/** What Linux calls the file systems that are memory: tmpfs and ramfs. */
const memory = [0x01021994, 0x858458f6];

const prefix = "letta-stack-edit-";

/**
 * Lends a text as a file (0600, in a folder of its own with 0700) that is in memory and on no
 * disk, and takes it away on every way out: also where the process ends at once. Only kill -9
 * leaves it; the next one that is lent removes it.
 * @param folders where memory may be mounted, the best first
 * @returns what the work does; undefined where none of the folders is memory
 */
export async function privateFile<Result>(
  folders: readonly string[],
  text: string,
  work: (path: string) => Promise<Result>,
): Promise<Result | undefined> {
  const found = folders.find(isMemory);
  if (found === undefined) return undefined;
  sweep(found);
  const folder = mkdtempSync(join(found, `${prefix}${process.pid}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    const path = join(folder, "secrets.env");
    writeFileSync(path, text, { mode: 0o600 });
    return await work(path);
  } finally {
    remove();
    process.off("exit", remove);
  }
}

function isMemory(folder: string): boolean {
  try {
    return memory.includes(statfsSync(folder).type);
  } catch {
    return false;
  }
}

/** Removes what a killed process left. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(/^letta-stack-edit-(\d+)-/.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    try {
      rmSync(join(folder, name), { recursive: true, force: true });
    } catch {
      // It belongs to another user.
    }
  }
}
