import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const pausePath = (directory: string, id: string) => join(directory, "releases", id, "pause");

/** Writes down the token of the pause under which a release is activated, for who comes after a kill. */
export function keepPauseToken(directory: string, id: string, token: string): void {
  writeFile(pausePath(directory, id), `${token}\n`);
}

/** The token of the last pause for a release; undefined where there was none. */
export function pauseTokenOf(directory: string, id: string): string | undefined {
  const path = pausePath(directory, id);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** Forgets it: no server of that release runs any more, so the end of the pause lets nothing in. */
export function forgetPauseToken(directory: string, id: string): void {
  rmSync(pausePath(directory, id), { force: true });
}

const tookWritesPath = (directory: string, id: string) =>
  join(directory, "releases", id, "took-writes");

/**
 * Writes down, before it is so, that requests may reach a server on the database of a release that
 * migrates, be it the new one or an old one that goes on: from then on the database may hold what
 * its copy of before does not.
 */
export function recordTookWrites(directory: string, id: string): void {
  writeFile(tookWritesPath(directory, id), "requests may have reached its database\n");
}

/** Whether they may have; otherwise nothing can have been written. */
export function tookWrites(directory: string, id: string): boolean {
  return existsSync(tookWritesPath(directory, id));
}

const rolesPath = (directory: string, id: string) =>
  join(directory, "releases", id, "separated-roles");

/** Writes down, before it is so, that a release takes rights away from the application's database role. */
export function noteSeparatedRoles(directory: string, id: string): void {
  writeFile(rolesPath(directory, id), "the application's database role is no superuser any more\n");
}

/** Whether a release did, or was about to. */
export function hasSeparatedRoles(directory: string, id: string): boolean {
  return existsSync(rolesPath(directory, id));
}
