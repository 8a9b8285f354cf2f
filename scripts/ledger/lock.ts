import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
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
  for (let tries = 0; ; tries += 1) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeSync(file, JSON.stringify(mine));
      closeSync(file);
      return () => unlinkSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries > 2) throw error;
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder)) throw locked(holder);
      unlinkSync(path);
    }
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
    } catch {
      return "gone";
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
