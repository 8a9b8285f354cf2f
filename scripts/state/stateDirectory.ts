import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  type Stats,
} from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "../common/problem.ts";
import { syncFolder } from "./writeFile.ts";

const folders = ["releases", "backups", "evidence"];

/**
 * The directory that keeps an environment's state, made where it is missing. Only it and what is
 * below it are closed to others: STATE_DIR itself stays as it is.
 * @returns its absolute path
 * @throws Problem STATE_UNUSABLE where it is a link, another user's, shared with other users, in use
 *   for something else, or cannot be written
 */
export function stateDirectory(stateDir: string, environment: string): string {
  const directory = join(stateDir, environment);
  try {
    assertNotShared(stateDir, made(stateDir));
    made(directory);
    assertOwn(directory);
    for (const path of [directory, ...folders.map((name) => join(directory, name))]) {
      if ((made(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw unusable(directory, (error as Error).message);
  }
  return directory;
}

/** Makes a directory where it is missing, for its owner alone. */
function made(path: string): Stats {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  // Else all that is stored below could be gone with its name when the power goes.
  if (first !== undefined) syncFolder(dirname(first));
  const found = lstatSync(path);
  if (!found.isDirectory()) throw unusable(path, "expected a directory, got a link or a file");
  const user = process.getuid?.();
  if (found.uid !== user) {
    // Never another STATE_DIR: releases and backups of what runs are in this one.
    throw new Problem("STATE_UNUSABLE", `${path}: expected to own it, ${nameOf(found.uid)} does`, {
      details: ["every run of a stack has to be by the same user"],
      next: `sudo chown -R ${nameOf(user ?? 0)} ${path} env/   (or run as ${nameOf(found.uid)})`,
    });
  }
  return found;
}

function nameOf(uid: number): string {
  const line = /^([^:]+):[^:]*:(\d+):/;
  const users = existsSync("/etc/passwd") ? readFileSync("/etc/passwd", "utf8").split("\n") : [];
  return (
    users.map((one) => line.exec(one)).find((one) => one?.[2] === String(uid))?.[1] ?? String(uid)
  );
}

/** Where other users may write, they may also put a state of theirs in this one's place. */
function assertNotShared(path: string, { mode }: Stats): void {
  const isSticky = (mode & 0o1000) !== 0;
  if (!isSticky && (mode & 0o002) === 0) return;
  const got = isSticky ? "a sticky one, as for temporary files" : "one that every user may write";
  throw unusable(path, `expected a directory of your own, got ${got}`);
}

/** A directory of that name may be a website's: then it is neither closed nor written to. */
function assertOwn(directory: string): void {
  const found = readdirSync(directory);
  const isOurs =
    found.every((name) => folders.includes(name)) ||
    folders.every((name) => found.includes(name)) ||
    found.includes("journal.jsonl");
  if (isOurs) return;
  const other = found.find((name) => !folders.includes(name));
  throw unusable(directory, `expected state of this tool, got a directory with ${other}`);
}

function unusable(path: string, why: string): Problem {
  return new Problem("STATE_UNUSABLE", `${path}: ${why}`, {
    next: "set STATE_DIR to a directory of your own",
  });
}

/**
 * The name of a throw-away Compose project: it carries the installation's id, so that `down
 * --volumes` never meets a project that merely has such a name.
 * @param purpose such as "rehearsal"
 * @param installation its id
 */
export function scratchProject(project: string, purpose: string, installation: string): string {
  return `${project}-${purpose}-${installation.slice(0, 8)}`;
}
