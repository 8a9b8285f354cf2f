import { createHash } from "node:crypto";
import { hostname } from "node:os";

/** Short, as Postgres keeps only 63 bytes of a session's name. */
const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 12);

/**
 * Marks what this process makes for itself alone (containers, database sessions), so that a later run
 * of this host can end what a killed one has left: "<host>:<pid>".
 */
export const processMark = `${host}:${process.pid}`;

/** Whether a mark is of a process of this host that has ended. */
export function hasEnded(mark: string | undefined): boolean {
  const [, markedHost, pid] = /^([0-9a-f]+):(\d+)$/u.exec(mark ?? "") ?? [];
  return markedHost === host && !isAlive(Number(pid));
}

/** Whether a process of this host runs, anyone's. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
