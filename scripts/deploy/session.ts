import { setTimeout as sleep } from "node:timers/promises";
import { foreseen, Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { type RetainedRows, retainedText } from "../database/rowsOnlyIn.ts";
import type { Engine } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { appendEntry, type Entry, journalBackwards } from "../state/journal.ts";
import { currentUser } from "../state/lock.ts";
import { keepAdopted, quarantineDamaged, readReleaseFile, releaseIds } from "../state/releases.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import { diskReserve, isDiskFailure } from "../state/writeFile.ts";
import { lockStack } from "./lockStack.ts";
import { assertOwnStack } from "./ownership.ts";
import { ensureEngine } from "./preflight.ts";
import { leftRehearsals } from "./rehearsalEnvironment.ts";

/** What a command that writes is done for, and whether it waits for its turn. */
export interface SessionInput {
  /** Such as "deploy". */
  readonly command: string;
  readonly reason: string | null;
  /** Whether to wait for the holder of the lock. */
  readonly wait: boolean;
  /** Whether to take over what another state directory made. */
  readonly adoptState?: boolean;
}

export interface Session {
  /** The environment's state directory. */
  readonly directory: string;
  /** Tools whose steps are journaled. */
  readonly context: Context;
  /** "user@host". */
  readonly by: string;
  /** As in the journal: "deploy:prod". */
  readonly command: string;
  readonly reason: string | null;
  /** When it had the lock and began, in milliseconds since 1970. */
  readonly begunMs: number;
  /**
   * Whether the run before this one was killed or failed in something, or was another installation's
   * that is adopted: it may have left things over.
   */
  readonly afterInterruption: boolean;
  /** Releases whose manifests were found damaged just now, newest first. */
  readonly damaged: readonly string[];
  /** What only databases that this command has set aside have; for its answer. */
  readonly retained: RetainedRows[];
  /** Called when recovery has a verified release serve again. */
  readonly settled?: (what: string) => void;
}

/** What each command that may set a live database aside tells of it. */
export interface Retaining {
  readonly retained: readonly RetainedRows[];
}

/** What the journal tells of a command that went well. */
interface Reported {
  readonly release?: string | null;
  readonly from?: string | null;
  readonly databaseStrategy?: string | null;
}

/**
 * Runs a command that writes: an engine that answers, the lock, damaged state out of the way,
 * and its beginning and end in the journal.
 * @throws Problem LOCKED, LOCK_LOST, STATE_UNUSABLE, ENGINE_UNREACHABLE; what the work throws
 */
export async function session<Result extends Reported>(
  settings: Settings,
  input: SessionInput,
  context: Context,
  work: (session: Session) => Promise<Result>,
): Promise<Result & Retaining> {
  await ensureEngine(context);
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const command = `${input.command}:${settings.environment}`;
  const { user, host } = currentUser();
  const by = `${user}@${host}`;
  const { wait } = input;
  const { context: locked, unlock } = await lockStack(
    settings,
    directory,
    { command, wait },
    context,
  );
  try {
    assertSameProject(settings, directory);
    diskReserve(directory);
    const quarantined = quarantineDamaged(directory, new Date(context.now()));
    for (const one of quarantined) {
      context.reporter.note(
        `the manifest of release ${one.id} ${one.why}: retained as ${one.retained}`,
      );
    }
    const damaged = quarantined.map((one) => one.id);
    const afterInterruption = wasInterrupted(directory) || input.adoptState === true;
    const touches = watchTouches(locked.engine, settings.project);
    const watched = { ...locked, engine: touches.engine };
    const journal = journaled(watched, directory, command, redaction(settings.sensitive()));
    return await journal.command({ by, reason: input.reason }, async () => {
      await waitForOthers([settings.project], locked);
      keepAdopted(directory, { isAsked: input.adoptState === true });
      await assertOwnStack(settings, directory, journal.context);
      await waitForOthers(leftRehearsals(settings.project, directory, context), locked);
      const { reason } = input;
      const retained: RetainedRows[] = [];
      const reported = {
        by,
        command,
        reason,
        begunMs: context.now(),
        afterInterruption,
        damaged,
        retained,
      };
      const begun = { directory, context: journal.context, settled: touches.settled, ...reported };
      try {
        return { ...(await work(begun)), retained };
      } catch (error) {
        throw withRetained(touches.truthful(error), retained);
      } finally {
        if (input.adoptState === true) keepAdopted(directory, { isAsked: false });
      }
    });
  } finally {
    await unlock();
  }
}

/** A failure tells of rows that are not in the live database any more, too. */
function withRetained(error: unknown, retained: readonly RetainedRows[]): unknown {
  if (!(error instanceof Problem) || retained.length === 0) return error;
  const { code, message, details, next, exit, facts, cause } = error;
  const lines = retained.map(retainedText).filter((line) => line !== "");
  return new Problem(code, message, {
    details: [...lines, ...details],
    facts: { ...facts, retained },
    ...(next === undefined ? {} : { next }),
    exit,
    cause,
  });
}

/** Whether the last command in the journal is anything else than one that went well in each step. */
function wasInterrupted(directory: string): boolean {
  let isEnded = false;
  for (const line of journalBackwards(directory)) {
    if (line === undefined || line.event === "failed") return true;
    if (!isEnded && (line.step !== "" || line.event === "begin")) return true;
    if (line.step === "" && line.event === "begin") return false;
    isEnded = true;
  }
  return false;
}

/** A killed run's `docker compose` goes on without it: two at once would trip over each other. */
async function waitForOthers(projects: readonly string[], context: Context): Promise<void> {
  const areAtWork = async () => {
    const counts = await Promise.all(projects.map((one) => context.engine.othersAtWork(one)));
    return counts.some((count) => count > 0);
  };
  if (!(await areAtWork())) return;
  await context.reporter.step("wait for tasks of a killed run", async () => {
    while (await areAtWork()) await sleep(100, undefined, { signal: context.signal });
  });
}

/**
 * The releases of one Compose project say nothing of another's: with the name changed, a rollback
 * would bring up an empty database next to the right one.
 * @throws Problem STATE_UNUSABLE
 */
export function assertSameProject(settings: Settings, directory: string): void {
  const [newest] = releaseIds(directory);
  if (newest === undefined) return;
  const text = readReleaseFile(directory, newest, "compose.yaml") ?? "";
  const project = /^name: "?([\w-]+)"?$/mu.exec(text)?.[1];
  if (project === undefined || project === settings.project) return;
  throw new Problem(
    "STATE_UNUSABLE",
    `the releases in ${directory} are those of project ${project}, and STACK_PROJECT is ${settings.project}`,
    {
      details: [`STACK_PROJECT: ${settings.origin("STACK_PROJECT")}`],
      next: `set STACK_PROJECT=${project}, or for a stack of its own another STATE_DIR`,
    },
  );
}

/** Who began a command, and why. */
interface Beginning {
  readonly by: string;
  readonly reason: string | null;
}

interface Ending {
  readonly release?: string | null;
  readonly from?: string | null;
  readonly databaseStrategy?: string | null;
}

interface Journal {
  /** The same tools, with every step's intent and outcome written down. */
  readonly context: Context;
  /** The command itself, as `history` tells it. */
  command<Result extends Ending>(begin: Beginning, work: () => Promise<Result>): Promise<Result>;
}

/**
 * Writes every step to the journal: its intent before it begins, its outcome after. So
 * the run after a `kill -9` knows what was under way.
 * @param command such as "deploy:prod"
 * @param hide takes secrets out of what is written
 */
export function journaled(
  context: Context,
  directory: string,
  command: string,
  hide: (text: string) => string,
): Journal {
  const run = context.randomBytes(6).toString("hex");
  let beginning: Partial<Entry> | undefined;
  let begun = false;
  const append = (step: string, event: Entry["event"], more: Partial<Entry> = {}) => {
    const { detail, message } = more;
    appendEntry(directory, {
      at: new Date(context.now()).toISOString(),
      run,
      command,
      step,
      event,
      ...more,
      ...(detail === undefined ? {} : { detail: hide(detail) }),
      ...(message === undefined ? {} : { message: hide(message) }),
    });
  };
  const write = (...line: Parameters<typeof append>) => {
    // A command that finds nothing to do leaves no trace; one whose first line the disk refused
    // writes it when it goes on.
    if (!begun) append("", "begin", beginning);
    begun = true;
    append(...line);
  };
  /** For what has happened anyway: a full disk does not change it, nor hide why it failed. */
  const writeAfter = (...line: Parameters<typeof append>) => {
    try {
      write(...line);
    } catch (error) {
      if (!isDiskFailure(error)) throw error;
      context.reporter.note(`the journal cannot be written: ${reported(error)}`);
    }
  };
  const reported = (error: unknown) => (error instanceof Problem ? error.message : String(error));
  const reporter: Context["reporter"] = {
    ...context.reporter,
    async step(name, work, outcome, parameters) {
      write(name, "begin");
      try {
        const result = await context.reporter.step(name, work, outcome, parameters);
        const detail = outcome?.(result) ?? "";
        write(name, "done", detail === "" ? {} : { detail });
        return result;
      } catch (error) {
        writeAfter(name, "failed", { detail: reported(error) });
        throw error;
      }
    },
  };
  return {
    context: { ...context, reporter },
    async command({ by, reason }, work) {
      const started = context.now();
      const seconds = () => (context.now() - started) / 1000;
      beginning = { by, ...(reason === null ? {} : { reason }) };
      try {
        const result = await work();
        if (begun) writeAfter("", "done", { seconds: seconds(), ...named(result) });
        return result;
      } catch (error) {
        if (begun) writeAfter("", "failed", { seconds: seconds(), message: reported(error) });
        throw error;
      }
    },
  };
}

function named({ release, from, databaseStrategy }: Ending): Partial<Entry> {
  return {
    ...(release ? { release } : {}),
    ...(from ? { from } : {}),
    ...(databaseStrategy ? { databaseStrategy } : {}),
  };
}

/** What a command has done to the containers of its stack. */
interface Touches {
  /** The same engine, watched. */
  readonly engine: Engine;
  /** A verified release serves again: what was done before is done. */
  settled(what: string): void;
  /**
   * The same failure, with an exit code that is true of what was done before it: a run that touched
   * anything never ends with 2 or 3.
   */
  truthful(error: unknown): unknown;
}

/**
 * Watches the calls that change containers of a project: made, stopped or removed. Starting what
 * was stopped, and bringing the database up to be asked, takes nothing from anyone.
 */
export function watchTouches(engine: Engine, project: string): Touches {
  const own = new Map<string, string>();
  const touched: string[] = [];
  const settled: string[] = [];
  const noteContainer = (what: string, id: string) => {
    const service = own.get(id);
    if (service !== undefined) touched.push(`${what} ${service}`);
  };
  const noteServices = (what: string, of: string, services: readonly string[]) => {
    const changed = services.filter((one) => one !== "postgres");
    if (of === project && changed.length > 0) touched.push(`${what} ${changed.join(", ")}`);
  };
  return {
    engine: {
      ...engine,
      async containers(input) {
        const found = await engine.containers(input);
        if (input === project) for (const { id, service } of found) own.set(id, service);
        return found;
      },
      create(call, services) {
        noteServices("create", call.project, services);
        return engine.create(call, services);
      },
      scaleUp(call, service) {
        noteServices("create another", call.project, [service]);
        return engine.scaleUp(call, service);
      },
      down(of, volumes) {
        noteServices("remove", of, ["all containers"]);
        return engine.down(of, volumes);
      },
      stop(id, ...how) {
        noteContainer("stop", id);
        return engine.stop(id, ...how);
      },
      remove(id) {
        noteContainer("remove", id);
        return engine.remove(id);
      },
    },
    settled(what) {
      touched.length = 0;
      settled.push(what);
    },
    truthful(error) {
      const problem = foreseen(error);
      const isUntouched = touched.length === 0 && settled.length === 0;
      if (problem === undefined || problem.exit > 3 || isUntouched) return error;
      const { message, details, next } = problem;
      const done = [...settled, ...(touched.length > 0 ? [`done: ${touched.join(", ")}`] : [])];
      const code = touched.length === 0 ? "ROLLED_BACK" : "STEP_FAILED";
      // What was interrupted has changed something.
      const reported =
        problem.code === "INTERRUPTED" ? "interrupted before it did what was asked" : message;
      return new Problem(code, reported, {
        details: [...done, ...details],
        ...(next === undefined ? {} : { next }),
        cause: error,
      });
    },
  };
}
