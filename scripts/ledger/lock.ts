import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { askHolder } from "./askHolder.ts";
import type { Holder } from "./readHolder.ts";
import { holdAddress } from "./holdAddress.ts";
import { lockAddress, type LockAddress } from "./lockAddress.ts";
import { listener } from "./listener.ts";
import { lockedBy } from "./lockedBy.ts";
import { operator } from "./operator.ts";

export interface LockWish {
  /** Whether to wait until whoever holds it ends. */
  readonly wait: boolean;
  /** Told once for each holder that is waited for; undefined for one that does not answer. */
  readonly onWait?: (holder: Holder | undefined) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** As in `process.platform`: Linux has sockets without a file, others take a port. */
  readonly platform?: string;
}

/** What is held, and ends before it can be asked, again and again, is given up after these. */
const mostTries = 20;
const pauseMs = 50;

/**
 * Takes a lock of this machine, or says who holds it. A lock is a socket that the process
 * listens on: the kernel gives it back at once when the process ends, whatever ended it, and
 * no child inherits it. It holds on the whole host (in its network namespace) for all users.
 * Another user who listens at the same address on purpose is told from a holder by nobody but
 * root: so the message says whose process it is, as the kernel knows it.
 * @param holder for the others to read: what is done, and since when (ISO 8601)
 * @returns gives it back
 * @throws Problem LOCKED; what the signal was aborted with
 */
export async function takeLock(
  name: string,
  holder: { readonly command: string; readonly since: string },
  wish: LockWish,
): Promise<() => Promise<void>> {
  const { wait, signal, platform = process.platform } = wish;
  const mine = { lock: name, ...holder, pid: process.pid, ...operator() };
  const address = lockAddress(name, platform);
  let told: string | undefined;
  for (let tries = 0; ;) {
    signal?.throwIfAborted();
    const taken = await holdAddress(address, mine);
    if (taken !== undefined) return taken;
    const asked = await askHolder(address);
    if (asked.found === "nobody") {
      tries += 1;
      if (tries === mostTries && !wait) throw silent(address);
      await sleep(pauseMs, undefined, signal && { signal });
      continue;
    }
    try {
      if (asked.found === "stranger" || (asked.holder && asked.holder.lock !== name)) {
        throw stranger(name, address, asked.holder);
      }
      if (!wait) throw asked.holder ? lockedBy(asked.holder, whose(address)) : silent(address);
      const who = JSON.stringify(asked.holder ?? null);
      if (who !== told) wish.onWait?.(asked.holder);
      told = who;
      await until(asked.gone, signal);
    } finally {
      asked.leave();
    }
  }
}

async function until(gone: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const stop = Promise.withResolvers<never>();
  const aborted = () => stop.reject(signal?.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    if (signal?.aborted) aborted();
    await Promise.race([gone, stop.promise]);
  } finally {
    signal?.removeEventListener("abort", aborted);
  }
}

/** What to tell of an address that is taken, and the command that frees it. */
interface Whose {
  readonly details: readonly string[];
  readonly next: string;
}

function whose(address: LockAddress): Whose {
  const found = listener(address);
  if (found !== undefined) {
    const { pid, uid, program } = found;
    return {
      details: [`process ${pid} (${program}) of user ${uid} listens at ${place(address)}`],
      next: `wait for it to end (--wait), or: kill ${pid}`,
    };
  }
  const show = "port" in address ? `lsof -i :${address.port}` : "sudo ss -xlp | grep letta-stack";
  return { details: [], next: `wait for it to end (--wait), or stop its process: ${show}` };
}

function silent(address: LockAddress): Problem {
  const who = `a process that does not answer holds the lock (${place(address)})`;
  const stopped = "a process that was stopped, such as by Ctrl-Z, holds it until it ends";
  const { details, next } = whose(address);
  return new Problem("LOCKED", who, { details: [...details, stopped], next });
}

function stranger(name: string, address: LockAddress, other: Holder | undefined): Problem {
  const who = other ? `another lock, ${other.lock} (pid ${other.pid})` : "no letta-stack";
  const message = `expected the lock ${name} at ${place(address)}, found ${who}`;
  return new Problem("LOCKED", message, { ...whose(address) });
}

function place(address: LockAddress): string {
  if ("port" in address) return `port ${address.port} of ${address.host}`;
  return `socket @${address.path.slice(1)}`;
}
