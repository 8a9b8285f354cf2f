import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { askHolder, type Holder } from "./askHolder.ts";
import { holdAddress } from "./holdAddress.ts";
import { lockAddress, type LockAddress } from "./lockAddress.ts";
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
 * Takes all these locks, or none and says who holds one. A lock is a socket that the process
 * listens on: the kernel gives it back at once when the process ends, whatever ended it, and
 * no child inherits it. It holds on the whole host (in its network namespace) for all users.
 * Another user who listens at the same address on purpose cannot be told from a holder: that
 * one can keep us from working, and can make nobody work without the lock.
 * @param names see `lockNames`; taken in one order everywhere, so that two do not block each other
 * @param holder for the others to read: what is done, and since when (ISO 8601)
 * @returns gives them back
 * @throws Problem LOCKED; what the signal was aborted with
 */
export async function takeLock(
  names: readonly string[],
  holder: { readonly command: string; readonly since: string },
  wish: LockWish,
): Promise<() => Promise<void>> {
  const { wait, signal, platform = process.platform } = wish;
  const wanted = [...new Set(names)].sort();
  const mine = { ...holder, pid: process.pid, ...operator() };
  let told: string | undefined;
  for (let tries = 0; ;) {
    signal?.throwIfAborted();
    const taken = await takeAll(wanted, mine, platform);
    if (typeof taken === "function") return taken;
    const address = lockAddress(taken, platform);
    const asked = await askHolder(address);
    if (asked.found === "nobody") {
      tries += 1;
      if (tries === mostTries && !wait) throw silent(address);
      await sleep(pauseMs, undefined, signal && { signal });
      continue;
    }
    try {
      if (asked.found === "stranger" || (asked.holder && asked.holder.lock !== taken)) {
        throw stranger(taken, address, asked.holder);
      }
      if (!wait) throw asked.holder ? locked(asked.holder) : silent(address);
      const who = JSON.stringify(asked.holder ?? null);
      if (who !== told) wish.onWait?.(asked.holder);
      told = who;
      await until(asked.gone, signal);
    } finally {
      asked.leave();
    }
  }
}

/** @returns gives them back; or the name that somebody else has, and then none is ours */
async function takeAll(
  names: readonly string[],
  mine: Omit<Holder, "lock">,
  platform: string,
): Promise<(() => Promise<void>) | string> {
  const held: (() => Promise<void>)[] = [];
  const giveBack = async () => void (await Promise.all(held.splice(0).map((one) => one())));
  for (const name of names) {
    const one = await holdAddress(lockAddress(name, platform), { lock: name, ...mine });
    if (one === undefined) {
      await giveBack();
      return name;
    }
    held.push(one);
  }
  return giveBack;
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

const next = "wait for it to end (--wait), or stop that process";

function locked({ command, user, host, pid, since }: Holder): Problem {
  const who = `${command} of ${user} holds the lock since ${since} (pid ${pid} on ${host})`;
  return new Problem("LOCKED", who, { next });
}

function silent(address: LockAddress): Problem {
  const who = `somebody who does not answer holds the lock (${place(address)})`;
  const details = ["a process that was stopped, such as by Ctrl-Z, holds it until it ends"];
  return new Problem("LOCKED", who, { details, next });
}

function stranger(name: string, address: LockAddress, other: Holder | undefined): Problem {
  const who = other ? `another lock, ${other.lock} (pid ${other.pid})` : "no letta-stack";
  return new Problem("LOCKED", `expected the lock ${name} at ${place(address)}, found ${who}`, {
    next: "stop what listens there, or wait for it to end",
  });
}

function place(address: LockAddress): string {
  if ("port" in address) return `port ${address.port} of ${address.host}`;
  return `socket @${address.path.slice(1)}`;
}
