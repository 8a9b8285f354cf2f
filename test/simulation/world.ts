import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { Disk } from "./disk.ts";
import { random, type Random } from "./random.ts";

/**
 * What happens alongside the tool. `proxy`, `database`: it dies, and its engine starts it again; `pauseEnds`: requests
 * go on, as when the proxy's files are lost; `overload`: the server answers 503 for a while; `migration`:
 * it ends where it is, as by a deadlock; `psql`: a session is opened on the live database, for some seconds;
 * `exporter`: one that connects again whenever it is ended; `stubborn`: one that the tool may not end.
 */
export const happenings = [
  "proxy",
  "database",
  "pauseEnds",
  "overload",
  "migration",
  "psql",
  "exporter",
  "stubborn",
] as const;
export type Happening = (typeof happenings)[number];

/** Something that goes wrong at one effect of one command. */
export interface Fault {
  /** The command it is for, from 0. */
  readonly command: number;
  /** The effect at which it happens: counted from 1, or by its name, which a longer run keeps. */
  readonly at: number | NamedEffect;
  /**
   * `kill`: kill -9 of the tool; `power`: the machine goes off and comes back; `error`: the
   * effect fails and has not happened; `late`: it takes half a minute longer; `interrupt`: Ctrl-C.
   * Others happen at that moment to what runs next to the tool.
   */
  readonly kind: "kill" | "power" | "error" | "late" | "interrupt" | Happening;
  /** Whether the effect has happened when it comes; in the middle of one that takes its time. */
  readonly when: "before" | "during" | "after";
}

/** The effect of this kind that comes as the nth of its kind in its process, from 1. */
export interface NamedEffect {
  readonly effect: string;
  readonly nth: number;
}

/** What effects of one kind have in common: the name without numbers, ids and digests. */
export function kindOfEffect(name: string): string {
  return name.replaceAll(/[0-9a-f]*\d[0-9a-f]*/g, "N");
}

/** A run of a command: what is in its memory goes with it. */
export class SimulatedProcess {
  dead = false;
  /** It has come to its end: what it still waits for never comes. */
  ended = false;
  /** It has begun to change things, and has not ended. */
  changes = false;
  /** The server that it has seen pass its checks. */
  verified = "";
  /** The names of its effects, in their order. */
  readonly effectNames: string[] = [];
  readonly stop = new AbortController();
  readonly number: number;
  readonly faults: readonly Fault[];
  readonly died: Promise<"dead">;
  /** What the kernel does when it ends. */
  readonly atEnd: (() => void)[] = [];
  #tell: () => void = () => undefined;

  constructor(number: number, faults: readonly Fault[]) {
    this.number = number;
    this.faults = faults;
    this.died = new Promise((resolve) => (this.#tell = () => resolve("dead")));
  }

  get effects(): number {
    return this.effectNames.length;
  }

  /** @returns the fault that is due at the effect that has just been named */
  dueFault(): Fault | undefined {
    const name = this.effectNames.at(-1)!;
    return this.faults.find(({ at }) =>
      typeof at === "number"
        ? at === this.effects
        : at.effect === kindOfEffect(name) && at.nth === this.#nthOfKind(this.effects),
    );
  }

  /** @param at an effect, from 1; @returns the same effect by its name; undefined where it never came */
  namedEffect(at: number): NamedEffect | undefined {
    const name = this.effectNames[at - 1];
    return name === undefined
      ? undefined
      : { effect: kindOfEffect(name), nth: this.#nthOfKind(at) };
  }

  #nthOfKind(at: number): number {
    const kind = kindOfEffect(this.effectNames[at - 1]!);
    return this.effectNames.slice(0, at).filter((one) => kindOfEffect(one) === kind).length;
  }

  end(): void {
    this.ended = true;
    this.changes = false;
    for (const one of this.atEnd.splice(0)) one();
  }

  die(): void {
    if (this.dead) return;
    this.dead = true;
    this.end();
    this.#tell();
  }
}

/** Thrown at whatever a dead process still tries; each further try throws again. */
export class Dead extends Error {}

const processes = new AsyncLocalStorage<SimulatedProcess>();
/** Each time another one: a promise keeps the waiting callers, and with them their whole world. */
const never = () => new Promise<never>(() => undefined);

interface Due {
  readonly at: number;
  readonly order: number;
  readonly work: () => void;
}

interface Traced {
  readonly ms: number;
  /** Of the process; undefined for events from outside. */
  readonly number: number | undefined;
  readonly effects: number | undefined;
  readonly text: string;
}

/** A lock's socket, and the process that listens on it. */
export interface Socket {
  readonly holder: unknown;
  readonly gone: Promise<void>;
  readonly process: SimulatedProcess | undefined;
}

/** What outlives processes: clock, disk, kernel; and what happens to them. */
export class World {
  nowMs: number;
  disk: Disk;
  readonly random: Random;
  /** Chances of what came to the simulation later: the earlier ones are as they were. */
  readonly more: Random;
  /** The lock's sockets, by their address. */
  readonly sockets = new Map<string, Socket>();
  /** Names on the engine that a process holds by its connection. */
  readonly heldNames = new Map<
    string,
    {
      readonly labels: Readonly<Record<string, string>>;
      readonly process: SimulatedProcess | undefined;
    }
  >();
  readonly #trace: Traced[] = [];
  readonly violations: string[] = [];
  /** Nothing goes wrong by itself any more. */
  calm = false;
  /** Counts the times the machine came up: what was under way before is no more. */
  boot = 0;
  onPower: () => void = () => undefined;
  onHappening: (kind: Happening) => void = () => undefined;
  /** Reported of each effect, for a run that is only looked at. */
  onEffect: ((name: string) => void) | undefined;
  #order = 0;
  #due: Due[] = [];
  #commands: SimulatedProcess[] = [];

  constructor(seed: number, disk: Disk, nowMs: number) {
    this.random = random(seed);
    this.more = random(Math.imul(seed, 0x85eb_ca6b) ^ 0x27d4_eb2f);
    this.disk = disk;
    this.nowMs = nowMs;
  }

  /** Does something later, in virtual time. */
  after(ms: number, work: () => void): void {
    const one = { at: this.nowMs + Math.max(0, ms), order: (this.#order += 1), work };
    // Nearly always among the last ones.
    let place = this.#due.length;
    while (place > 0 && later(one, this.#due[place - 1]!)) place -= 1;
    this.#due.splice(place, 0, one);
  }

  /** The same, unless the machine went off meanwhile: for what engine and servers do by themselves. */
  afterUnlessOff(ms: number, work: () => void): void {
    const { boot } = this;
    this.after(ms, () => {
      if (this.boot === boot) work();
    });
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (dead() || processes.getStore()?.ended === true) return never();
    if (signal === undefined) return new Promise((resolve) => this.after(ms, resolve));
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const abort = () => reject(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      this.after(ms, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
    });
  }

  /** Something that must never be was seen. */
  violate(what: string): void {
    this.note(`VIOLATED ${what}`);
    this.violations.push(what);
  }

  /**
   * A command that changes something holds the lock.
   * @param isShared whether another machine's commands are about it too
   */
  assertLock(name: string, isShared = true): void {
    const process = processes.getStore();
    if (process === undefined) return;
    const holders = new Set([...this.heldNames.values()].map((one) => one.process));
    if (!holders.has(process)) this.violate(`lock: ${name} by a process that holds no lock`);
    if (!isShared) return;
    // One that has given its locks back is about to end.
    const others = this.#commands.filter(
      (one) => one !== process && one.changes && !one.dead && holders.has(one),
    );
    if (others.length > 0) this.violate(`lock: ${name} while another command changes things`);
    process.changes = true;
  }

  note(text: string): void {
    const process = processes.getStore();
    const { number, effects } = process ?? {};
    this.#trace.push({ ms: this.nowMs, number, effects, text });
  }

  /** All that happened, one line each: when, in which command at which effect, and what. */
  trace(): string[] {
    const from = this.#trace[0]?.ms ?? 0;
    return this.#trace.map(({ ms, number, effects, text }) => {
      const process = number === undefined ? "-" : `${number}.${effects}`;
      return `${String(ms - from).padStart(6)} ${process.padEnd(6)} ${text}`;
    });
  }

  /** An effect that blocks its process: on the disk. */
  effectNow<Result>(name: string, work: () => Result): Result {
    const process = processes.getStore();
    if (process === undefined) return work();
    if (process.dead) throw new Dead(name);
    const fault = this.#next(process, name);
    if (fault?.kind === "error") {
      if (fault.when === "after") work();
      throw Object.assign(new Error(`EIO: simulated, ${name}`), { code: "EIO" });
    }
    if (fault?.when === "before" && this.#strike(fault, process)) throw new Dead(name);
    const result = work();
    if (fault !== undefined && fault.when !== "before" && this.#strike(fault, process))
      throw new Dead(name);
    return result;
  }

  /** An effect that its process waits for: on the engine, the database, the lock. */
  async effect<Result>(
    name: string,
    ms: number,
    work: () => Result | Promise<Result>,
  ): Promise<Result> {
    const process = processes.getStore();
    if (process === undefined) return work();
    if (process.dead) return never();
    const fault = this.#next(process, name);
    await this.sleep(ms + (fault?.kind === "late" ? 30_000 : 0));
    if (process.dead) return never();
    if (fault?.kind === "error") {
      if (fault.when === "after") await work();
      throw Object.assign(new Error(`simulated failure of: ${name}`), { statusCode: 500 });
    }
    if (fault?.when === "before" && this.#strike(fault, process)) return never();
    const working = work();
    if (fault?.when === "during" && working instanceof Promise) {
      this.after(this.random.below(120), () => this.#strike(fault, process));
    }
    const result = await working;
    if (process.dead) return never();
    if (fault?.when === "after" && this.#strike(fault, process)) return never();
    return result;
  }

  /** What a process looks at: no effect, but nothing a dead one can do. */
  look<Result>(work: () => Result): Result {
    if (dead()) throw new Dead("look");
    return work();
  }

  #next(process: SimulatedProcess, name: string): Fault | undefined {
    process.effectNames.push(name);
    this.onEffect?.(name);
    const fault = process.dueFault();
    this.note(fault ? `${name}  <== ${fault.kind}, ${fault.when}` : name);
    return fault;
  }

  /** @returns whether it ends the process */
  #strike(fault: Fault, process: SimulatedProcess): boolean {
    if (this.calm) return process.dead; // what was still to come of an earlier command
    if (fault.kind === "interrupt") process.stop.abort();
    if (fault.kind === "kill") process.die();
    if (fault.kind === "power" && !process.dead) this.losePower();
    if (isHappening(fault.kind)) this.onHappening(fault.kind);
    return process.dead;
  }

  losePower(): void {
    this.boot += 1;
    for (const one of this.#commands) one.die();
    this.disk.losePower(this.random);
    this.onPower();
  }

  /** Begins a command in a process of its own. */
  begin<Result>(
    faults: readonly Fault[],
    work: (process: SimulatedProcess) => Promise<Result>,
  ): Promise<Result | "dead"> {
    const process = new SimulatedProcess(this.#commands.length, faults);
    this.#commands.push(process);
    const ran = processes.run(process, () => work(process));
    ran.then(
      () => process.end(),
      () => process.end(),
    );
    return Promise.race([process.died, ran]);
  }

  get commands(): readonly SimulatedProcess[] {
    return this.#commands;
  }

  process(): SimulatedProcess | undefined {
    return processes.getStore();
  }

  /** Lets time pass until work has settled. */
  async until<Result>(work: Promise<Result>, longestMs = 3_600_000): Promise<Result> {
    let settled = false;
    const mark = () => void (settled = true);
    work.then(mark, mark);
    const limit = this.nowMs + longestMs;
    for (let idle = 0; ;) {
      await turn();
      if (settled) return work;
      const next = this.#due.shift();
      if (next === undefined) {
        // A stream takes some turns; a module that is loaded for the first time comes from the real disk.
        if ((idle += 1) > 220) throw new Error("everybody waits, and nothing happens");
        if (idle > 20) await new Promise((resolve) => setTimeout(resolve, 5));
        continue;
      }
      idle = 0;
      if (next.at > limit) throw new Error("the command does not come to an end");
      this.nowMs = Math.max(this.nowMs, next.at);
      next.work();
    }
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const until = Promise.withResolvers<void>();
    this.after(ms, until.resolve);
    await this.until(until.promise, ms + 1);
  }
}

function isHappening(kind: Fault["kind"]): kind is Happening {
  return happenings.some((one) => one === kind);
}

let present: World | undefined;

/** The world that the replaced modules work on. */
export function world(): World {
  if (present === undefined) throw new Error("no simulated world");
  return present;
}

export function enter(next: World): void {
  present = next;
}

function dead(): boolean {
  return processes.getStore()?.dead === true;
}

function later(one: Due, other: Due): boolean {
  return other.at > one.at || (other.at === one.at && other.order > one.order);
}
