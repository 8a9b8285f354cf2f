import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const pathOf = (directory: string, id: string) => join(directory, "releases", id, "let-in");

/**
 * Writes down, before it is so, that requests may reach a server on the database of a release that
 * migrates, be it the new one or one that goes on beside it: from then on the database may hold what
 * its copy of before does not.
 */
export function letIn(directory: string, id: string): void {
  writeFile(pathOf(directory, id), "requests may have reached its database\n");
}

/** Whether they may; where nobody was let in, nothing can have been written. */
export function wasLetIn(directory: string, id: string): boolean {
  return existsSync(pathOf(directory, id));
}
