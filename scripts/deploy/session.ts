import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { retainedText, type RetainedRows } from "../database/rowsOnlyIn.ts";
import type { Settings } from "../settings/readSettings.ts";
import { keepAdopted } from "../state/adopted.ts";
import type { Context } from "../state/context.ts";
import { currentUser } from "../state/currentUser.ts";
import { diskReserve } from "../state/diskReserve.ts";
import { journalBackwards } from "../state/journalBackwards.ts";
import { quarantineDamaged } from "../state/quarantineDamaged.ts";
import { readReleaseFile, releaseIds } from "../state/releases.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import { assertOwnStack } from "./assertOwnState.ts";
import { ensureEngine } from "./ensureEngine.ts";
import { journaled } from "./journaled.ts";
import { lockStack } from "./lockStack.ts";
import { leftRehearsals } from "./rehearsalEnvironment.ts";
import { watchTouches } from "./watchTouches.ts";

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
  await context.reporter.step("wait for what a killed run left running", async () => {
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
