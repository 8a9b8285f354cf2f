import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "../common/problem.ts";
import { syncFolder } from "./syncFolder.ts";

const folders = ["releases", "backups", "evidence"];

/**
 * The directory that keeps an environment's state, made where it is missing.
 * @returns its absolute path
 * @throws Problem STATE_UNUSABLE where it is a link, somebody else's, or cannot be written
 */
export function stateDirectory(stateDir: string, environment: string): string {
  const directory = join(stateDir, environment);
  try {
    for (const path of [stateDir, directory, ...folders.map((name) => join(directory, name))]) {
      const first = mkdirSync(path, { recursive: true, mode: 0o700 });
      // Else all that is kept below could be gone with its name when the power goes.
      if (first !== undefined) syncFolder(dirname(first));
      const found = lstatSync(path);
      if (!found.isDirectory()) throw unusable(path, "expected a directory, got a link or a file");
      if (found.uid !== process.getuid?.())
        throw unusable(path, "expected to own it, somebody else does");
      if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw unusable(directory, (error as Error).message);
  }
  return directory;
}

function unusable(path: string, why: string): Problem {
  return new Problem("STATE_UNUSABLE", `${path}: ${why}`, {
    next: "set STATE_DIR to a directory of your own",
  });
}
