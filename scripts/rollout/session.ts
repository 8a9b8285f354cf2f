import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { retainedText, type RetainedRows } from "../database/rowsOnlyIn.ts";
import { keepAdopted } from "../ledger/adopted.ts";
import { journalBackwards } from "../ledger/journalBackwards.ts";
import { operator } from "../ledger/operator.ts";
import { reserve } from "../ledger/reserve.ts";
import { setAsideDamaged } from "../ledger/setAsideDamaged.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import { readyEngine } from "../parts/readyEngine.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { assertOwnStack } from "./assertOwnState.ts";
import { journaled } from "./journaled.ts";
import { lockStack } from "./lockStack.ts";
import { refuseOtherProject } from "./refuseOtherProject.ts";
import { stageProject } from "./stage.ts";
import { watchTouches } from "./watchTouches.ts";

/** What a command that writes is done for, and whether it waits for its turn. */
export interface SessionAsked {
  /** Such as "deploy". */
  readonly command: string;
  readonly reason: string | null;
  /** Whether to wait for whoever holds the lock. */
  readonly wait: boolean;
  /** Whether to take over what another state directory made. */
  readonly adoptState?: boolean;
}

export interface Session {
  /** The environment's state directory. */
  readonly directory: string;
  /** Tools whose steps are journaled. */
  readonly tools: Tools;
  /** "user@host". */
  readonly by: string;
  /** As in the journal: "deploy:prod". */
  readonly command: string;
  readonly reason: string | null;
  /** When it had the lock and began, in milliseconds since 1970. */
  readonly begunMs: number;
  /** Whether the run before this one was killed or failed in something: it may have left things over. */
  readonly afterCut: boolean;
  /** Releases whose sheets were found damaged just now, newest first. */
  readonly damaged: readonly string[];
  /** What only databases that this command has set aside have; for its answer. */
  readonly retained: RetainedRows[];
  /** To be told when recovery has a verified release serve again. */
  readonly settled?: (what: string) => void;
}

/** What each command that may set a live database aside tells of it. */
export interface Retaining {
  readonly retained: readonly RetainedRows[];
}

/** What the journal tells of a command that went well. */
interface Told {
  readonly release?: string | null;
  readonly from?: string | null;
  readonly way?: string | null;
}

/**
 * Runs a command that writes: an engine that answers, the lock, damaged state out of the way,
 * and its beginning and end in the journal.
 * @throws Problem LOCKED, LOCK_LOST, STATE_UNUSABLE, ENGINE_UNREACHABLE; what the work throws
 */
export async function session<Result extends Told>(
  settings: Settings,
  asked: SessionAsked,
  tools: Tools,
  work: (session: Session) => Promise<Result>,
): Promise<Result & Retaining> {
  await readyEngine(tools);
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const command = `${asked.command}:${settings.environment}`;
  const { user, host } = operator();
  const by = `${user}@${host}`;
  const { wait } = asked;
  const { tools: locked, unlock } = await lockStack(settings, directory, { command, wait }, tools);
  try {
    refuseOtherProject(settings, directory);
    reserve(directory);
    const aside = setAsideDamaged(directory, new Date(tools.now()));
    for (const one of aside) {
      tools.say.note(`the sheet of release ${one.id} ${one.why}: kept as ${one.kept}`);
    }
    const damaged = aside.map((one) => one.id);
    const afterCut = wasCut(directory);
    const touches = watchTouches(locked.engine, settings.project);
    const watched = { ...locked, engine: touches.engine };
    const journal = journaled(watched, directory, command, redaction(settings.sensitive()));
    return await journal.command({ by, reason: asked.reason }, async () => {
      await waitForOthers(settings, directory, locked);
      keepAdopted(directory, { isAsked: asked.adoptState === true });
      await assertOwnStack(settings, directory, journal.tools);
      const { reason } = asked;
      const retained: RetainedRows[] = [];
      const told = { by, command, reason, begunMs: tools.now(), afterCut, damaged, retained };
      const begun = { directory, tools: journal.tools, settled: touches.settled, ...told };
      try {
        return { ...(await work(begun)), retained };
      } catch (error) {
        throw withRetained(touches.truthful(error), retained);
      } finally {
        if (asked.adoptState === true) keepAdopted(directory, { isAsked: false });
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
function wasCut(directory: string): boolean {
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
async function waitForOthers(settings: Settings, directory: string, tools: Tools): Promise<void> {
  const projects = [settings.project, stageProject(settings.project, directory, tools)];
  const areAtWork = async () => {
    const counts = await Promise.all(projects.map((one) => tools.engine.othersAtWork(one)));
    return counts.some((count) => count > 0);
  };
  if (!(await areAtWork())) return;
  await tools.say.step("wait for what a killed run left running", async () => {
    while (await areAtWork()) await sleep(100, undefined, { signal: tools.signal });
  });
}
