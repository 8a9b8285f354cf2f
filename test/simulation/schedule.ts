import type { Command } from "./command.ts";
import type { From } from "./site.ts";
import { random, type Random } from "./random.ts";
import { earlyScenarios, scenarios } from "./scenarios.ts";
import { happenings, type Fault } from "./world.ts";

/** Everything that happens in a run, alongside the chances of its world. */
export interface Schedule {
  readonly seed: number;
  /** The place of its past among the scenarios. */
  readonly past: number;
  /** The commands, each with how long after the one before it ended it is begun. */
  readonly commands: readonly Command[];
  readonly faults: readonly Fault[];
  /** Begun this long after the first, while that one may be under way. */
  readonly concurrent?: { readonly command: Command; readonly afterMs: number };
  /** Milliseconds after the beginning at which someone writes through the server. */
  readonly writes: readonly number[];
  /** Parts that end by themselves, and when. */
  readonly crashes: readonly { readonly service: string; readonly atMs: number }[];
}

/** Of each command of a scenario: its effects where nothing goes wrong, alike ones together. */
export type Menus = readonly (readonly (readonly number[])[])[];

/** The place of a seed's past among the scenarios. */
export function pastOf(seed: number): number {
  const chance = random(Math.imul(seed, 0x27d4_eb2f) ^ 0x9e37_79b1);
  if (chance.chance(0.15)) return earlyScenarios + chance.below(scenarios.length - earlyScenarios);
  return random(Math.imul(seed, 0x9e3779b1)).below(earlyScenarios);
}

/**
 * The schedule of a seed.
 * @param menus those of its past
 */
export function scheduleOf(seed: number, menus: Menus): Schedule {
  const chance = random(Math.imul(seed, 2_654_435_761) ^ 0x5bd1e995);
  const past = pastOf(seed);
  const { next } = scenarios[past]!;
  const count = 1 + (chance.chance(0.35) ? 1 : 0) + (chance.chance(0.1) ? 1 : 0);
  const commands: Command[] = [];
  const faults: Fault[] = [];
  const first = chance.below(next.length);
  for (let at = 0; at < count; at += 1) {
    // Who comes second mostly does the same again.
    const which = at === 0 || chance.chance(0.7) ? first : chance.below(next.length);
    commands.push(next[which]!);
    const many = at === 0 || chance.chance(0.7) ? 1 + (chance.chance(0.25) ? 1 : 0) : 0;
    for (let one = 0; one < many; one += 1) faults.push(faultFor(at, menus[which]!, chance));
  }
  const concurrent = chance.chance(0.12)
    ? {
        command: { ...chance.pick(next), wait: chance.chance(0.5) },
        afterMs: chance.below(4000),
      }
    : undefined;
  const writes = Array.from({ length: chance.below(8) }, () => chance.below(9000)).sort(
    (a, b) => a - b,
  );
  const crashes = chance.chance(0.1)
    ? [
        {
          service: chance.pick(["postgres", "server", "collector", "migrate"]),
          atMs: chance.below(6000),
        },
      ]
    : [];
  const drawn = {
    seed,
    past,
    commands,
    faults,
    writes,
    crashes,
    ...(concurrent ? { concurrent } : {}),
  };
  return withStrategy(withPlaces(withMore(drawn, menus[first]!)));
}

/** Adds what came to the simulation later, of chances of its own: the earlier draws stay as they were. */
function withMore(schedule: Schedule, menu: Menus[number]): Schedule {
  const chance = random(Math.imul(schedule.seed, 0xc2b2_ae35) ^ 0x1656_67b1);
  if (!chance.chance(0.4)) return schedule;
  const many = chance.chance(0.3) ? 2 : 1;
  const more = Array.from({ length: many }, () => ({
    ...faultFor(0, menu, chance),
    kind: chance.pick(happenings),
  }));
  const writes = Array.from({ length: chance.below(6) }, () => chance.below(5000));
  const isLonger = chance.chance(0.5);
  const commands = schedule.commands.map((one) =>
    isLonger && one.version === "2.0.0" && one.kind === "deploy"
      ? { ...one, version: "2.5.0" }
      : one,
  );
  return {
    ...schedule,
    commands,
    faults: [...schedule.faults, ...more],
    writes: [...schedule.writes, ...writes].sort((a, b) => a - b),
  };
}

/** Calls a command, and those after it, with the state lost, from a second checkout or a second machine. */
function withPlaces(schedule: Schedule): Schedule {
  const chance = random(Math.imul(schedule.seed, 0x9e37_79b1) ^ 0x85eb_ca6b);
  const isExternal = scenarios[schedule.past]!.past.database?.isExternal === true;
  if (!chance.chance(isExternal ? 0.2 : 0.08)) return schedule;
  const others: From[] = ["checkout", ...(isExternal ? (["machine"] as const) : [])];
  const from = chance.pick<From>(["lost", ...others]);
  const adoptState = chance.chance(0.5);
  const { concurrent } = schedule;
  if (concurrent !== undefined && chance.chance(0.5)) {
    const elsewhere = { from: chance.pick(others), adoptState };
    return {
      ...schedule,
      concurrent: { ...concurrent, command: { ...concurrent.command, ...elsewhere } },
    };
  }
  const at = chance.below(schedule.commands.length);
  const commands = schedule.commands.map((one, index) => {
    if (index < at) return one;
    return from === "lost" && index > at ? { ...one, adoptState } : { ...one, from, adoptState };
  });
  // A state directory is not lost under a command that waits for its lock.
  const { concurrent: _none, ...alone } = schedule;
  return { ...(from === "lost" ? alone : schedule), commands };
}

/** Replaces the server in another way than the proxy allows. */
function withStrategy(schedule: Schedule): Schedule {
  const chance = random(Math.imul(schedule.seed, 0x27d4_eb2f) ^ 0x1656_67b1);
  if (!chance.chance(0.06)) return schedule;
  const strategy = chance.pick(["pause", "recreate"] as const);
  return { ...schedule, commands: schedule.commands.map((one) => ({ ...one, strategy })) };
}

/** The past of a seed and its first command, and nothing that goes wrong. */
export function faultless(seed: number): Schedule {
  const past = pastOf(seed);
  const commands = scenarios[past]!.next.slice(0, 1);
  return { seed, past, commands, faults: [], writes: [], crashes: [] };
}

const kinds = [
  "kill",
  "kill",
  "kill",
  "power",
  "power",
  "error",
  "error",
  "late",
  "interrupt",
] as const;
const whens = ["before", "during", "after"] as const;

/** Mostly at one kind of effect as likely as at another, however often each of them comes. */
function faultFor(command: number, menu: Menus[number], chance: Random): Fault {
  const length = menu.flat().length;
  const at = chance.chance(0.7)
    ? chance.pick(chance.pick(menu))
    : 1 + chance.below(Math.ceil(length * 1.2));
  return { command, at, kind: chance.pick(kinds), when: chance.pick(whens) };
}

/** Schedules that are a little shorter, the most so first. */
export function shorter(schedule: Schedule): Schedule[] {
  const { commands, faults, writes, crashes, concurrent, ...rest } = schedule;
  const whole = { ...rest, commands, faults, writes, crashes };
  const found: Schedule[] = [];
  const alike = concurrent ? { concurrent } : {};
  if (concurrent) found.push(whole);
  for (let at = commands.length - 1; commands.length > 1 && at >= 0; at -= 1) {
    const retained = faults.filter((one) => one.command !== at);
    const moved = retained.map((one) => ({
      ...one,
      command: one.command > at ? one.command - 1 : one.command,
    }));
    found.push({ ...whole, ...alike, commands: commands.toSpliced(at, 1), faults: moved });
  }
  for (let at = 0; at < faults.length; at += 1) {
    found.push({ ...whole, ...alike, faults: faults.toSpliced(at, 1) });
  }
  if (crashes.length > 0) found.push({ ...whole, ...alike, crashes: [] });
  for (let at = 0; at < writes.length; at += 1) {
    found.push({ ...whole, ...alike, writes: writes.toSpliced(at, 1) });
  }
  return found;
}
