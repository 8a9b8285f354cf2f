import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const pathOf = (directory: string, id: string) => join(directory, "releases", id, "pause");

/** Writes down the token of the pause under which a release is activated, for who comes after a kill. */
export function keepPauseToken(directory: string, id: string, token: string): void {
  writeFile(pathOf(directory, id), `${token}\n`);
}

/** The token of the last pause for a release; undefined where there was none. */
export function pauseTokenOf(directory: string, id: string): string | undefined {
  const path = pathOf(directory, id);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** Forgets it: no server of that release runs any more, so the end of the pause lets nothing in. */
export function forgetPauseToken(directory: string, id: string): void {
  rmSync(pathOf(directory, id), { force: true });
}
