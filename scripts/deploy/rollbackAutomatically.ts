import { exitCodes, Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { durationMs } from "../common/units.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { databaseOfRun, databases } from "../database/databaseNames.ts";
import { revision, sameRevisions } from "../database/revisions.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import { keepEvidence } from "../state/evidence.ts";
import { recordTookWrites } from "../state/markers.ts";
import type { Release } from "../state/release.ts";
import { releasesNewestFirst, updateRelease } from "../state/releases.ts";
import { freeDiskReserve, isDiskFailure } from "../state/writeFile.ts";
import { assertServerWorks } from "./assertServerWorks.ts";
import type { CurrentState } from "./currentState.ts";
import type { RunMarks } from "./nextRelease.ts";
import { resumeRequests, serversOf } from "./replaceServer.ts";
import { rollBackRelease, type Return } from "./rollBackRelease.ts";
import type { Session } from "./session.ts";
import { waitFor } from "./waitFor.ts";

const lines = 2000;

/** Keeps logs and states of all services before any is removed, without the secrets in them. */
async function gatherEvidence(
  settings: Settings,
  directory: string,
  release: string,
  context: Context,
): Promise<void> {
  const hide = redaction(settings.sensitive());
  // A log that cannot be read (a logging driver without reading, a container that has gone) is left out.
  const keep = async (name: string, read: () => Promise<string>) => {
    const text = await read().catch((error: Error) => `could not be read: ${error.message}\n`);
    keepEvidence(directory, release, name, hide(text));
  };
  const containers = await context.engine.containers(settings.project);
  await context.reporter.step(
    "collect evidence",
    async () => {
      for (const { id, service } of containers) {
        await keep(`${service}.json`, async () => {
          const { made: _secret, ...seen } = await context.engine.inspect(id);
          return `${JSON.stringify(seen, null, 2)}\n`;
        });
        await keep(`${service}.log`, () => context.engine.tail(id, lines));
      }
    },
    () => `evidence/${release}/`,
  );
}

interface AutomaticRollbackInput {
  /** The release that did not come to be good. */
  readonly failed: Release;
  /** The settings of now. */
  readonly settings: Settings;
  /** Why it failed. */
  readonly error: unknown;
  /** What there was before; unknown after a kill. */
  readonly interrupted?: Interrupted;
}

/**
 * Rolls back to the last good release after a failure, database included, and verifies it.
 * What the failed release made of the database stays under another name. Until it has come to
 * an end the failed manifest has no `seconds`: so the run after a kill resumes it.
 * @returns the Problem to end with: ROLLED_BACK where the previous release serves again, else
 *   STEP_FAILED with what runs now and the next command
 */
export async function rollbackAutomatically(
  input: AutomaticRollbackInput,
  session: Session,
): Promise<Problem> {
  const { failed, settings, error } = input;
  const { directory } = session;
  // From here on Ctrl-C would leave nothing that serves.
  const context = { ...session.context, signal: new AbortController().signal };
  const cause = error instanceof Problem ? error : undefined;
  // What runs is another run's to change by now: the next command takes this one back.
  if (cause?.code === "LOCK_LOST") return cause;
  const why = cause?.message ?? (error as Error).message;
  let present: Release | undefined;
  try {
    present = lastGoodBefore(failed, directory);
    await keepFailed(input, directory, context);
    if (present === undefined) {
      endRollback(directory, failed, context);
      return await nothingBefore(input, why, session.context.signal.aborted, {
        directory,
        context,
      });
    }
    if (cause?.code === "PAUSE_ENDED" && (await servesOn(input, present, context))) {
      endRollback(directory, failed, context);
      return new Problem(
        "ROLLED_BACK",
        `release ${failed.id} (${failed.tag}) was not begun, ${present.tag} serves on: ${why}`,
        { details: cause.details, next: "the same command again", cause: error },
      );
    }
    context.reporter.note(`${why}: rolling back to release ${present.id} (${present.tag})`);
    const back = await tryTwice({ ...input, present, why }, { ...session, context });
    const interrupted = session.context.signal.aborted ? "interrupted: " : "";
    const { unverified = [] } = back;
    const isVerified = unverified.length === 0;
    return new Problem(
      "ROLLED_BACK",
      `${interrupted}release ${failed.id} (${failed.tag}) failed, ${present.tag} serves again as release ${back.id}, ${isVerified ? "verified" : "and fails as it did before"}`,
      {
        details: [why, ...(cause?.details ?? []), ...unverified],
        next: cause?.next ?? `npm run logs -- ${settings.environment}`,
        cause: error,
        // Exit 4 says that the previous release was verified.
        ...(isVerified ? {} : { exit: exitCodes.failedActNow }),
      },
    );
  } catch (second) {
    if (second instanceof Problem && second.code === "LOCK_LOST") return second;
    if (second instanceof Problem && second.code === "ROLLBACK_STOPPED")
      return stopped(input, why, second, { directory, context });
    if (isDiskFailure(second) && (await isServing(input, context))) {
      return servesAgain(failed, why, second);
    }
    return stranded(input, why, present, second, { directory, context });
  }
}

/**
 * One call that the engine fails at does not leave nothing serving: a second try finds what the first one
 * did, as a run after a kill does.
 */
async function tryTwice(back: Return, session: Session): Promise<Release> {
  try {
    return await rollBackRelease(back, session);
  } catch (error) {
    if (error instanceof Problem || isDiskFailure(error)) throw error;
    session.context.reporter.note(`rolling back once more, after: ${(error as Error).message}`);
    return rollBackRelease(back, session);
  }
}

/** Whether what was stopped for the failed release could simply be started again. */
async function isServing(
  { interrupted }: AutomaticRollbackInput,
  context: Context,
): Promise<boolean> {
  if (interrupted === undefined) return false;
  return startStopped(interrupted, context).catch(() => false);
}

/** Whether the present server, which was at most stopped, works again on an unchanged database. */
async function servesOn(
  input: AutomaticRollbackInput,
  present: Release,
  context: Context,
): Promise<boolean> {
  const { interrupted, settings } = input;
  if (interrupted === undefined || !(await isServing(input, context))) return false;
  const { stack } = interrupted;
  const [server] = await serversOf(stack, context.engine);
  try {
    await assertServerWorks(server!.id, settings, stack, context, present.tag);
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/** Nothing was recorded of it: the next command finds the release unfinished and takes it back. */
function servesAgain(failed: Release, why: string, second: unknown): Problem {
  return new Problem(
    "ROLLED_BACK",
    `release ${failed.id} (${failed.tag}) failed because the state directory's disk failed; the previous containers run again: ${why}`,
    {
      details: [`the state directory cannot be read or written: ${(second as Error).message}`],
      next: "dmesg   (then, on a disk that works, the same command again)",
      cause: second,
    },
  );
}

type Place = Pick<Session, "directory" | "context">;

/** A disk that failed in between may have written that the failed one is good. */
function lastGoodBefore(failed: Release, directory: string): Release | undefined {
  return releasesNewestFirst(directory).find(
    (one) => one.outcome === "good" && one.id !== failed.id,
  );
}

/**
 * Writes down what failed, and what was seen of it. A disk that has filled up meanwhile, or an engine
 * that does not answer, costs the evidence, not the rollback: space is reserved for that.
 */
async function keepFailed(
  { failed, settings }: AutomaticRollbackInput,
  directory: string,
  context: Context,
) {
  // The second time what failed may have been removed: what was seen of it stays.
  const name = `${failed.id}${failed.outcome === "failed" ? "-again" : ""}`;
  const failure = { ...failed, outcome: "failed", seconds: null } as const;
  try {
    updateRelease(directory, failure);
    await gatherEvidence(settings, directory, name, context);
  } catch (error) {
    context.reporter.note(`could not store evidence: ${(error as Error).message}`);
    if (isDiskFailure(error)) freeDiskReserve(directory);
    updateRelease(directory, failure);
  }
}

/** Records that the rollback of a failed release needs no resuming any more. */
export function endRollback(directory: string, failed: Release, context: Context): void {
  const seconds = Math.max(0, (context.now() - Date.parse(failed.created)) / 1000);
  updateRelease(directory, { ...failed, outcome: "failed", seconds });
}

async function nothingBefore(
  { failed, settings, error }: AutomaticRollbackInput,
  why: string,
  cut: boolean,
  { directory, context }: Place,
) {
  const cause = error instanceof Problem ? error : undefined;
  await letRequestsFail(failed, settings, { directory, context });
  return new Problem(
    cut ? "INTERRUPTED" : "STEP_FAILED",
    `release ${failed.id} (${failed.tag}) failed, and there is no good release to roll back to: ${why}`,
    {
      details: [...(cause?.details ?? []), ...(await whatRuns(settings, context))],
      next: cause?.next ?? `npm run status -- ${settings.environment}`,
      cause: error,
    },
  );
}

/** Acknowledged writes stay live: what runs goes on, and a person chooses. */
async function stopped(
  { failed, settings, error }: AutomaticRollbackInput,
  why: string,
  stop: Problem,
  { directory, context }: Place,
): Promise<Problem> {
  const cause = error instanceof Problem ? error.details : [];
  await letRequestsFail(failed, settings, { directory, context });
  return new Problem(stop.code, `release ${failed.id} (${failed.tag}) failed: ${stop.message}`, {
    details: [`first: ${why}`, ...cause, ...stop.details, ...(await whatRuns(settings, context))],
    ...(stop.next === undefined ? {} : { next: stop.next }),
    cause: error,
  });
}

async function stranded(
  { failed, settings, error }: AutomaticRollbackInput,
  why: string,
  present: Release | undefined,
  second: unknown,
  { directory, context }: Place,
): Promise<Problem> {
  const cause = error instanceof Problem ? error.details : [];
  const details = [`first: ${why}`, ...cause, `then: ${(second as Error).message}`];
  if (second instanceof Problem) details.push(...second.details);
  details.push(...(await whatRuns(settings, context)));
  await letRequestsFail(failed, settings, { directory, context });
  const to = present === undefined ? "" : `${present.id} `;
  return new Problem("STEP_FAILED", `release ${failed.id} failed, and so did the rollback`, {
    details,
    next: `npm run rollback -- ${to}--env ${settings.environment}`,
    cause: second,
  });
}

/** Requests are answered with an error, instead of waiting for no server. */
async function letRequestsFail(
  failed: Release,
  settings: Settings,
  { directory, context }: Place,
): Promise<void> {
  try {
    // The server that failed may run, and be the one that they reach.
    if (failed.databaseStrategy === "migrate") recordTookWrites(directory, failed.id);
    await resumeRequests(settings, context);
  } catch {
    // The earlier failure is the one to report.
  }
}

async function whatRuns(settings: Settings, context: Context): Promise<string[]> {
  try {
    const containers = await context.engine.containers(settings.project);
    if (containers.length === 0) return ["nothing runs"];
    return containers.map((one) => `${one.service}: ${one.state}, ${one.health}, ${one.image}`);
  } catch {
    return ["the engine does not say what runs now"];
  }
}

interface Interrupted {
  /** What was there before anything was begun. */
  readonly before: CurrentState;
  readonly settings: Settings;
  /** The stack that was to come: its services are waited for as it says. */
  readonly stack: Stack;
  /** Of the run that failed. */
  readonly marks: RunMarks;
}

/**
 * Starts again what was only stopped so far. For a rollback that is impossible, as what it needs
 * and what it writes is on a disk that does not answer any more: nothing is read or written there.
 * @returns whether all that ran before runs again; false with nothing done where a service was
 *   made anew meanwhile, the migration's too, or the database is not the one it was
 */
async function startStopped(
  { before, settings, stack, marks }: Interrupted,
  context: Context,
): Promise<boolean> {
  const { observed, database, present } = before;
  if (present === undefined || database === undefined) return false;
  const now = await context.engine.containers(settings.project);
  const stateOf = (container: string) => now.find((one) => one.id === container)?.state;
  const areThose = observed.every((one) => stateOf(one.id) !== undefined);
  if (!areThose || now.length !== observed.length) return false;
  const isSwapped = databaseOfRun(await databases(database), marks("live")) !== undefined;
  if (isSwapped) return false;
  const at = await revision(database.database(), stack.server.revisionQuery);
  if (!sameRevisions(at, before.revision ?? [])) return false;
  // What is written from now on would not be in a copy: no rollback may return to that.
  await clearScratch(database, marks("live").installation);
  for (const service of stack.services) {
    const limit = durationMs(settings.get("SERVER_TIMEOUT")) / 1000;
    const ran = observed.filter((one) => one.service === service.name && one.state === "running");
    for (const one of ran.filter(({ id: container }) => stateOf(container) !== "running")) {
      const stopped = await context.engine.inspect(one.id);
      await context.engine.start(one.id);
      await waitFor(service, stopped, limit, context, undefined);
    }
  }
  await resumeRequests(settings, context);
  return true;
}
