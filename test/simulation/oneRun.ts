import { newestGood, readRelease } from "../../scripts/state/releases.ts";
import { runCommand, type Ended } from "./command.ts";
import { scenarios, type Past } from "./scenarios.ts";
import { revisionOf } from "./databases.ts";
import type { Menus, Schedule } from "./schedule.ts";
import { unsettled } from "./settled.ts";
import { copySite, emptySite, enterSite, type Site } from "./site.ts";
import { kindOfEffect, type Fault, type SimulatedProcess } from "./world.ts";

/** What was seen of a run. */
export interface Seen {
  readonly violations: readonly string[];
  /** All that happened; made when it is asked for. */
  readonly trace: () => readonly string[];
  readonly effects: number;
  /** The same schedule, its faults at effects by their names; without those that never came. */
  readonly named: () => Schedule;
  /** How its commands ended. */
  readonly ends: readonly string[];
}

/** What the runs of one scenario begin with. */
export interface Beginning {
  readonly site: Site;
  readonly menus: Menus;
}

const beginnings = new Map<number, Promise<Beginning>>();

/** A scenario's past, and each of its commands once without a fault. Made once. */
export function beginningOf(past: number): Promise<Beginning> {
  let known = beginnings.get(past);
  if (known === undefined) beginnings.set(past, (known = prepare(past)));
  return known;
}

async function prepare(past: number): Promise<Beginning> {
  const scenario = scenarios[past]!;
  const site = await siteAfter(scenario.past);
  const menus: number[][][] = [];
  for (const command of scenario.next) {
    const copy = copySite(site, 1);
    enterSite(copy);
    const alike = new Map<string, number[]>();
    let count = 0;
    copy.world.onEffect = (name) => {
      const kind = kindOfEffect(name);
      alike.set(kind, [...(alike.get(kind) ?? []), (count += 1)]);
    };
    await copy.world.until(runCommand(copy, command, []));
    menus.push([...alike.values()]);
  }
  return { site, menus };
}

const dayMs = 86_400_000;
const made = new Map<string, Site>();

async function siteAfter(past: Past): Promise<Site> {
  const { commands, database } = past;
  const key = JSON.stringify([commands, database]);
  const known = made.get(key);
  if (known !== undefined) return known;
  const last = commands.at(-1);
  if (last === undefined) {
    const empty = emptySite(1, database);
    made.set(key, empty);
    return empty;
  }
  const site = copySite(await siteAfter({ ...past, commands: commands.slice(0, -1) }), 7);
  enterSite(site);
  const ended = await site.world.until(runCommand(site, last, []));
  if (ended.outcome !== "done") throw ended.bug ?? ended.problem ?? new Error("it did not end");
  await site.world.pass(2 * dayMs);
  const wrong = [...site.world.violations, ...unsettled(site, [])];
  if (wrong.length > 0) throw new Error(`without a fault, ${key}: ${wrong.join("; ")}`);
  made.set(key, site);
  return site;
}

/** Runs one schedule, and judges what came of it. */
export async function oneRun(schedule: Schedule): Promise<Seen> {
  const beginning = await beginningOf(schedule.past);
  const site = copySite(beginning.site, schedule.seed);
  enterSite(site);
  const { world, servers } = site;
  const written = [...(servers.databases.get("letta")?.rows.get("agents") ?? [])];
  const violate = (what: string) => world.violate(what);
  const ends: string[] = [];
  const words: string[] = [];
  /** The process of each command. */
  const runs: (SimulatedProcess | undefined)[] = [];
  const seen = (): Seen => ({
    violations: world.violations,
    trace: () => world.trace(),
    effects: world.commands.reduce((sum, one) => sum + one.effects, 0),
    named: () => ({ ...schedule, faults: schedule.faults.flatMap((one) => named(one, runs)) }),
    ends,
  });
  for (const [index, ms] of schedule.writes.entries()) {
    world.after(ms, () => servers.gate.pass(() => write(site, `agent-${index}`, written)));
  }
  for (const { service, atMs } of schedule.crashes) {
    world.after(atMs, () => {
      if (world.calm) return;
      const one = servers.part(service);
      world.note(`${service} ends by itself`);
      if (one?.state === "running") servers.end(one, 137);
    });
  }
  try {
    let concurrent: Promise<Ended> | undefined;
    for (const [at, command] of schedule.commands.entries()) {
      const faults = schedule.faults.filter((one) => one.command === at);
      const before = servers.part("server")?.id;
      const made = madeBy(site);
      const running = runCommand(site, command, faults);
      runs.push(world.commands.at(-1));
      if (at === 0 && schedule.concurrent) {
        const { command: other, afterMs } = schedule.concurrent;
        concurrent = later(site, afterMs, async () => {
          const ended = await runCommand(site, other, []);
          judge(ended, violate);
          return ended;
        });
      }
      const ended = await world.until(running);
      ends.push(reported(ended));
      words.push(...wordsOf(ended));
      judge(ended, violate);
      const isRefused = ended.problem?.exit === 3 && at === 0 && schedule.concurrent === undefined;
      const serves = servers.part("server");
      if (isRefused && (serves?.id !== before || (before && serves?.state !== "running"))) {
        if (schedule.crashes.length === 0) violate("truth: exit 3, and the server was touched");
      }
      const isElsewhere = command.from !== undefined && schedule.concurrent === undefined;
      if (isElsewhere && ended.problem?.exit === 3 && madeBy(site) !== made)
        violate("truth: exit 3, and databases or containers are others than before");
    }
    if (concurrent !== undefined) {
      const ended = await world.until(concurrent);
      ends.push(`alongside ${reported(ended)}`);
      words.push(...wordsOf(ended));
    }
    await settle(site, schedule, { written, ends, words });
  } catch (error) {
    violate(`ended with ${(error as Error).stack ?? String(error)}`);
  }
  return seen();
}

function named(fault: Fault, runs: readonly (SimulatedProcess | undefined)[]): Fault[] {
  if (typeof fault.at !== "number") return [fault];
  const at = runs[fault.command]?.namedEffect(fault.at);
  return at === undefined ? [] : [{ ...fault, at }];
}

/** What commands make on a machine, and on the database it asks; a rehearsal's copies are the next one's to clear. */
function madeBy({ servers }: Site): string {
  const { databases, cluster } = servers;
  const containers = cluster.machines.flatMap((one) => one.of(one.project).map(({ id }) => id));
  const stays = /^letta(_(retained|snapshot)_\d{6})?$/;
  const left = [...databases].filter(([name]) => stays.test(name));
  return JSON.stringify([containers, left.map(([name, one]) => [name, one.applied])]);
}

/** The last command once more, with no fault: afterwards all must be in order (I6). */
async function settle(
  site: Site,
  schedule: Schedule,
  { written, ends, words }: Record<"written" | "ends" | "words", string[]>,
): Promise<void> {
  const { world } = site;
  world.calm = true;
  site.servers.strangers = [];
  const { from, ...last } = schedule.commands.at(-1)!;
  const command = { ...last, wait: true, ...(from && from !== "lost" ? { from } : {}) };
  const again = await world.until(runCommand(site, command, []));
  ends.push(`again ${reported(again)}`);
  const violate = (what: string) => world.violate(what);
  judge(again, violate);
  const exit = again.problem?.exit;
  // Where nothing ever served, a bad first version leaves nothing to go back to.
  const isFirst = newestGood(again.site.directory) === undefined;
  const isStopped = mustStop(site, schedule, ends, wordsOf(again));
  if (exit !== undefined && exit > 4 && !isFirst && !isStopped)
    violate(`I6: again, without a fault: exit ${exit}`);
  const isRefused = exit !== undefined && exit <= 3;
  const isElsewhere = schedule.commands.some((one) => one.from !== undefined);
  // An installation that did not begin a pause leaves it to its own limit.
  await world.pass(isRefused && isElsewhere ? longestPauseMs : 3000);
  const isDone = again.outcome === "done";
  for (const one of unreported(site, written, [...words, ...wordsOf(again)])) violate(one);
  // What another installation's killed run has left is that one's to clear away.
  if (isStopped || again.problem?.code === "STATE_MISMATCH") {
    if (site.servers.holding) violate("left over: requests wait at the proxy");
    return;
  }
  for (const one of unsettled(again.site, written, [...words, ...again.notes], isDone))
    violate(one);
}

/**
 * Whether a person has to choose, as acknowledged writes are in the way of a rollback: each command says
 * so. Never on a database that is as the last good release had it, nor where nothing has struck the tool.
 */
function mustStop(
  { servers, directory }: Site,
  { faults }: Schedule,
  ends: readonly string[],
  words: readonly string[],
): boolean {
  if (!words.some((one) => one.includes("no rollback to "))) return false;
  const database = servers.databases.get("letta");
  const served = newestGood(directory)?.revision.join();
  const isBefore = database?.half === false && revisionOf(database) === served;
  const isStruck = faults.some(({ kind }) => ["kill", "power", "error"].includes(kind));
  return !isBefore && (isStruck || ends.some((one) => one.includes("ROLLBACK_STOPPED")));
}

/** PAUSE_TIMEOUT, and a little. */
const longestPauseMs = 121_000;

/** All that a command has reported, line by line. */
function wordsOf({ notes, problem }: Ended): string[] {
  return [...notes, ...(problem === undefined ? [] : [problem.message, ...problem.details])];
}

/**
 * I2: each acknowledged row is in the live database, or it was shown how many are not, and where they
 * are: "3 rows … letta_retained_000004" in one line.
 */
function unreported(
  { servers }: Site,
  written: readonly string[],
  words: readonly string[],
): string[] {
  const rowsIn = (name: string) => servers.databases.get(name)?.rows.get("agents");
  const missing = written.filter((one) => rowsIn("letta")?.has(one) !== true);
  const places = [...servers.databases.keys()].map((name) => ({
    name,
    rows: missing.filter((one) => rowsIn(name)?.has(one)),
  }));
  // The last swap has reported its rows last; what it reported was still live when the one before it reported its own.
  const reported = new Set<string>();
  for (const { name, rows } of places.toSorted((one, other) => (one.name < other.name ? 1 : -1))) {
    const left = rows.filter((one) => !reported.has(one));
    const isReported = words.some((line) => {
      // A database that does not answer cannot be compared.
      if (line.includes(`how many rows are only in ${name}, or changed there, is not known`))
        return true;
      const counts = [...line.matchAll(/(\d+) rows?\b/gu)].map((one) => Number(one[1]));
      return line.includes(name) && counts.some((count) => count >= left.length);
    });
    if (isReported) for (const one of left) reported.add(one);
  }
  const left = missing.filter((one) => !reported.has(one));
  if (left.length === 0) return [];
  return [`I2: ${left.join(", ")} is not in the live database, and the loss was not reported`];
}

/** What a command has said must be so: I4, and that nothing is said that is not true. */
function judge(ended: Ended, violate: (what: string) => void): void {
  const { command, site, outcome, problem, bug, release } = ended;
  if (bug !== undefined) {
    violate(`I4: a bug: ${(bug as Error).stack ?? String(bug as string)}`);
  }
  if (problem !== undefined && (problem.message === "" || problem.message.includes("\n"))) {
    violate(`I4: no one-line cause: ${problem.message}`);
  }
  const isRecovered = ended.notes.some((one) =>
    / serves again as release |and verified$/.test(one),
  );
  if (isRecovered && problem !== undefined && problem.exit < 4)
    violate(`truth: exit ${problem.exit}, and recovery had another release serve`);
  if (command.kind === "backup") return;
  const { directory } = site;
  if (outcome === "done" && release !== undefined) {
    const manifest = readRelease(directory, release);
    if ("why" in manifest || manifest.outcome !== "good")
      violate(`truth: release ${release} is not good`);
    assertServes(site, manifest, violate);
  }
  if (problem?.code === "ROLLED_BACK") assertServes(site, newestGood(directory), violate);
}

function assertServes(
  { servers }: Site,
  release: object | undefined,
  violate: (what: string) => void,
): void {
  const { tag = "nothing" } = (release ?? {}) as { tag?: string };
  const server = servers.part("server");
  // One that ended by itself in this very moment is on its way up again.
  const isUp = server?.state === "running" || server?.state === "restarting";
  const serves = isUp ? servers.tagOf(server) : server?.state;
  if (serves !== tag) violate(`truth: ${tag} is said to serve, it is ${serves ?? "nothing"}`);
}

/** Someone writes, as long as a server takes it. */
function write({ servers, world }: Site, agent: string, written: string[]): void {
  const server = servers.part("server");
  if (server?.health !== "healthy" || servers.part("proxy")?.state !== "running") return;
  const { status } = servers.answer(
    server.id,
    "POST",
    "/v1/agents/",
    JSON.stringify({ name: agent }),
  );
  world.note(`someone writes ${agent}: ${status}`);
  if (status === 200) written.push(agent);
}

function later<Result>({ world }: Site, ms: number, work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => world.after(ms, () => work().then(resolve, reject)));
}

function reported({ command, outcome, problem, release }: Ended): string {
  const what = [
    command.kind,
    command.kind === "deploy" ? command.version : (command.databaseStrategy ?? ""),
  ];
  return `${what.join(" ").trim()}: ${outcome} ${problem?.code ?? release ?? ""}`.trim();
}
