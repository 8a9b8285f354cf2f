import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";

interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's ticks: tells a reused pid from the holder. */
  readonly started: string;
  readonly host: string;
  readonly user: string;
  readonly command: string;
  readonly since: string;
}

/** Each try ends in having it, in knowing who has it, or in a dead holder less. */
const mostTries = 20;

/**
 * Takes an environment's lock, or says who holds it. A holder that is proven dead is
 * succeeded at once; age alone proves nothing.
 * @param now for the others to read
 * @returns gives it back
 * @throws Problem LOCKED
 */
export function takeLock(directory: string, command: string, now: Date): () => void {
  const path = join(directory, "lock");
  const mine: Holder = {
    pid: process.pid,
    started: startTicks(process.pid),
    host: hostname(),
    user: userInfo().username,
    command,
    since: now.toISOString(),
  };
  // Written whole before it can be seen: a half-written lock would look like a dead holder's.
  const whole = `${path}.${process.pid}`;
  writeFileSync(whole, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (let tries = 0; tries < mostTries; tries += 1) {
      if (linked(whole, path)) return () => rmSync(path, { force: true });
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder)) throw locked(holder);
      succeed(path, holder);
    }
    throw new Problem("LOCKED", `${path}: others take it again and again`, {
      next: "the same command again",
    });
  } finally {
    rmSync(whole, { force: true });
  }
}

/** Makes `to` another name of `from`, unless `to` exists. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw error;
  }
}

/**
 * Removes a dead holder's lock. Of several who found it dead only one may: the one that
 * gets the claim on that very holder, and only if the lock is still that holder's.
 */
function succeed(path: string, dead: Holder | undefined): void {
  const claim = `${path}.dead.${dead?.pid ?? 0}.${dead?.started ?? ""}`;
  if (!linked(path, claim)) return;
  try {
    const now = readHolder(path);
    if (now?.pid === dead?.pid && now?.started === dead?.started) rmSync(path, { force: true });
  } finally {
    rmSync(claim, { force: true });
  }
}

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  return startTicks(holder.pid) === holder.started;
}

/** The 22nd field of /proc/<pid>/stat; elsewhere only whether the process is there. */
function startTicks(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    try {
      process.kill(pid, 0);
      return process.platform === "linux" ? "gone" : "there";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? "there" : "gone";
    }
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}

function locked(holder: Holder): Problem {
  return new Problem(
    "LOCKED",
    `${holder.command} of ${holder.user} holds the lock since ${holder.since} (pid ${holder.pid} on ${holder.host})`,
    { next: "wait for it to end, or stop that process" },
  );
}
