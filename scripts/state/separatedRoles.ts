import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const pathOf = (directory: string, id: string) =>
  join(directory, "releases", id, "separated-roles");

/** Writes down, before it is so, that a release takes rights away from the application's database role. */
export function noteSeparatedRoles(directory: string, id: string): void {
  writeFile(pathOf(directory, id), "the application's database role is no superuser any more\n");
}

/** Whether a release did, or was about to. */
export function hasSeparatedRoles(directory: string, id: string): boolean {
  return existsSync(pathOf(directory, id));
}
