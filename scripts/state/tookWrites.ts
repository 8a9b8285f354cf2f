import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const pathOf = (directory: string, id: string) => join(directory, "releases", id, "took-writes");

/**
 * Writes down, before it is so, that requests may reach a server on the database of a release that
 * migrates, be it the new one or an old one that goes on: from then on the database may hold what
 * its copy of before does not.
 */
export function recordTookWrites(directory: string, id: string): void {
  writeFile(pathOf(directory, id), "requests may have reached its database\n");
}

/** Whether they may have; otherwise nothing can have been written. */
export function tookWrites(directory: string, id: string): boolean {
  return existsSync(pathOf(directory, id));
}
