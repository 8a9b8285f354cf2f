import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { askHolder } from "./askHolder.ts";
import { holdAddress } from "./holdAddress.ts";
import { type Holder, lockAddress, type LockAddress, lockedBy } from "./lockAddress.ts";

export interface LockOptions {
  /** Whether to wait until its holder ends. */
  readonly wait: boolean;
  /** Called once for each holder that is waited for; undefined for one that does not answer. */
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
 * Another user who listens at the same address on purpose is distinguished from a holder only by
 * root: so the message says whose process it is, as the kernel knows it.
 * @param holder for the others to read: what is done, and since when (ISO 8601)
 * @returns gives it back
 * @throws Problem LOCKED; what the signal was aborted with
 */
export async function takeLock(
  name: string,
  holder: { readonly command: string; readonly since: string },
  options: LockOptions,
): Promise<() => Promise<void>> {
  const { wait, signal, platform = process.platform } = options;
  const mine = { lock: name, ...holder, pid: process.pid, ...currentUser() };
  const address = lockAddress(name, platform);
  let reported: string | undefined;
  for (let tries = 0; ;) {
    signal?.throwIfAborted();
    const taken = await holdAddress(address, mine);
    if (taken !== undefined) return taken;
    const input = await askHolder(address);
    if (input.found === "none") {
      tries += 1;
      if (tries === mostTries && !wait) throw silent(address);
      await sleep(pauseMs, undefined, signal && { signal });
      continue;
    }
    try {
      if (input.found === "stranger" || (input.holder && input.holder.lock !== name)) {
        throw stranger(name, address, input.holder);
      }
      if (!wait) throw input.holder ? lockedBy(input.holder, whose(address)) : silent(address);
      const who = JSON.stringify(input.holder ?? null);
      if (who !== reported) options.onWait?.(input.holder);
      reported = who;
      await until(input.gone, signal);
    } finally {
      input.leave();
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

/** A process as the kernel knows it, whatever it says of itself. */
interface Listener {
  readonly pid: number;
  readonly uid: number;
  /** The name of its program. */
  readonly program: string;
}

/**
 * The process that listens at an abstract socket (proc(5), /proc/net/unix).
 * @returns undefined where that is another user's, whom only root may look at, or not Linux'
 */
function listener(address: LockAddress): Listener | undefined {
  if ("port" in address) return undefined;
  const name = address.path.replaceAll("\0", "@");
  try {
    const line = readFileSync("/proc/net/unix", "utf8")
      .split("\n")
      .find((one) => one.endsWith(` ${name}`) && one.split(/\s+/)[3] === "00010000");
    const socket = `socket:[${line?.split(/\s+/)[6]}]`;
    const pids = readdirSync("/proc").filter((one) => /^\d+$/.test(one));
    const pid = line && pids.find((one) => opens(one, socket));
    if (pid === undefined) return undefined;
    const program = readFileSync(`/proc/${pid}/comm`, "utf8").trim().replaceAll(/\p{C}/gu, "");
    return { pid: Number(pid), uid: statSync(`/proc/${pid}`).uid, program };
  } catch {
    return undefined;
  }
}

function opens(pid: string, socket: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((one) => readlinkSync(`${folder}/${one}`) === socket);
  } catch {
    return false;
  }
}

/**
 * Who holds a lock of this machine now. Takes none: for commands that only read.
 * @returns "silent" where a process holds it and does not answer; undefined where none does
 */
export async function lockHolder(
  name: string,
  platform: string = process.platform,
): Promise<Holder | "silent" | undefined> {
  const input = await askHolder(lockAddress(name, platform));
  if (input.found === "none") return undefined;
  input.leave();
  const isStranger = input.found === "stranger" || (input.holder && input.holder.lock !== name);
  return isStranger ? undefined : (input.holder ?? "silent");
}

/**
 * The name of a state directory's lock on this machine: two engines and two projects may be given
 * the same directory. The lock of a stack is at its engine, see `takeEngineLock`.
 * @param directory an environment's state directory; it must exist
 */
export function stateLock(directory: string): string {
  return `state/${realpathSync(directory)}`;
}

/** Who runs this process, and where. */
interface CurrentUser {
  readonly user: string;
  readonly host: string;
}

/** The user by name, or by number where the system knows no name for it. */
export function currentUser(): CurrentUser {
  const host = hostname();
  try {
    return { user: userInfo().username, host };
  } catch {
    return { user: `uid ${process.getuid?.() ?? "unknown"}`, host };
  }
}
