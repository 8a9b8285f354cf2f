import { createHash } from "node:crypto";
import { Problem } from "../common/problem.ts";

/** Where a lock is listened on: an abstract socket's name, or a port of the loopback. */
export type LockAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

/** sockaddr_un has 108 bytes; Linux takes all of them, others keep one for a NUL. */
const mostBytes = 107;

/** Below the ports that systems give out by themselves, and apart from the usual servers'. */
const firstPort = 41_000;
const ports = 8_000;

/**
 * Where the lock of a name is held on this host: by the kernel, and no longer than its holder
 * lives. Linux has sockets without a file; elsewhere a port stands for the name.
 * @param platform as in `process.platform`
 */
export function lockAddress(name: string, platform: string): LockAddress {
  const digest = createHash("sha256").update(name).digest();
  if (platform !== "linux") {
    return { host: "127.0.0.1", port: firstPort + (digest.readUInt32BE() % ports) };
  }
  const path = `\0letta-stack/${name}`;
  if (Buffer.byteLength(path) <= mostBytes) return { path };
  return { path: `\0letta-stack/${digest.toString("hex")}` };
}

/** Who holds a lock, as it says itself. */
export interface Holder {
  /** The name it holds: two names may share a port where a lock is one. */
  readonly lock: string;
  readonly pid: number;
  readonly host: string;
  readonly user: string;
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
}

/**
 * Reads what a holder says of itself.
 * @returns undefined where it is no holder's word. What others may have written goes to a terminal: no control characters, not endless.
 */
export function readHolder(text: string): Holder | undefined {
  try {
    const said = JSON.parse(text.split("\n")[0]!) as Partial<Record<keyof Holder, unknown>> | null;
    if (typeof said?.pid !== "number" || typeof said.lock !== "string") return undefined;
    const plain = (value: unknown) => String(value).replaceAll(/\p{C}/gu, "").slice(0, 200);
    const { host, user, command, since } = said;
    return {
      lock: said.lock,
      pid: said.pid,
      host: plain(host),
      user: plain(user),
      command: plain(command),
      since: plain(since),
    };
  } catch {
    return undefined;
  }
}

/** The refusal of a second run: who is at work, from where, since when, doing what. */
export function lockedBy(
  { command, user, host, pid, since }: Holder,
  { details, next }: { readonly details: readonly string[]; readonly next: string },
): Problem {
  const who = `${command} of ${user} holds the lock since ${since} (pid ${pid} on ${host})`;
  return new Problem("LOCKED", who, { details, next });
}
