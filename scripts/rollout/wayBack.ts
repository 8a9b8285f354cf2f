import { exitCodes, Problem } from "../common/problem.ts";
import { openDoor } from "../cutover/openDoor.ts";
import { proveServer } from "../cutover/proveServer.ts";
import { isDiskFailure } from "../ledger/isDiskFailure.ts";
import { letIn } from "../ledger/letIn.ts";
import type { Release } from "../ledger/release.ts";
import { releasesNewestFirst, updateRelease } from "../ledger/releases.ts";
import { freeReserve } from "../ledger/reserve.ts";
import { serversOf } from "../parts/serversOf.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { gatherEvidence } from "./evidence.ts";
import { goBack } from "./goBack.ts";
import type { Session } from "./session.ts";
import { startStopped, type Interrupted } from "./startStopped.ts";

export interface WayBackAsked {
  /** The release that did not come to be good. */
  readonly failed: Release;
  /** The settings of now. */
  readonly settings: Settings;
  /** Why it failed. */
  readonly error: unknown;
  /** What there was before; unknown to whoever comes after a kill. */
  readonly interrupted?: Interrupted;
}

/**
 * Goes back to the last good release after a failure, database included, and proves it.
 * What the failed release made of the database stays under another name. Until it has come to
 * an end the failed sheet has no `seconds`: so whoever comes after a kill goes on with it.
 * @returns the Problem to end with: ROLLED_BACK where the former release serves again, else
 *   STEP_FAILED with what runs now and the next command
 */
export async function wayBack(asked: WayBackAsked, session: Session): Promise<Problem> {
  const { failed, settings, error } = asked;
  const { directory } = session;
  // From here on Ctrl-C would leave nothing that serves.
  const tools = { ...session.tools, signal: new AbortController().signal };
  const cause = error instanceof Problem ? error : undefined;
  // What runs is another run's to change by now: the next command takes this one back.
  if (cause?.code === "LOCK_LOST") return cause;
  const why = cause?.message ?? (error as Error).message;
  let present: Release | undefined;
  try {
    present = lastGoodBefore(failed, directory);
    await keepFailed(asked, directory, tools);
    if (present === undefined) {
      endWayBack(directory, failed, tools);
      return await nothingBefore(asked, why, session.tools.signal.aborted, { directory, tools });
    }
    if (cause?.code === "PAUSE_ENDED" && (await servesOn(asked, present, tools))) {
      endWayBack(directory, failed, tools);
      return new Problem(
        "ROLLED_BACK",
        `release ${failed.id} (${failed.tag}) was not begun, ${present.tag} serves on: ${why}`,
        { details: cause.details, next: "the same command again", cause: error },
      );
    }
    tools.say.note(`${why}: going back to release ${present.id} (${present.tag})`);
    const back = await goBack({ ...asked, present, why }, { ...session, tools });
    const interrupted = session.tools.signal.aborted ? "interrupted: " : "";
    const { unverified = [] } = back;
    const isVerified = unverified.length === 0;
    return new Problem(
      "ROLLED_BACK",
      `${interrupted}release ${failed.id} (${failed.tag}) failed, ${present.tag} serves again as release ${back.id}, ${isVerified ? "proven" : "and fails as it did before"}`,
      {
        details: [why, ...(cause?.details ?? []), ...unverified],
        next: cause?.next ?? `npm run logs -- ${settings.environment}`,
        cause: error,
        // Exit 4 says that the former release was verified.
        ...(isVerified ? {} : { exit: exitCodes.failedActNow }),
      },
    );
  } catch (second) {
    if (second instanceof Problem && second.code === "LOCK_LOST") return second;
    if (second instanceof Problem && second.code === "ROLLBACK_STOPPED")
      return stopped(asked, why, second, { directory, tools });
    if (isDiskFailure(second) && (await isServing(asked, tools))) {
      return servesAgain(failed, why, second);
    }
    return stranded(asked, why, present, second, { directory, tools });
  }
}

/** Whether what was stopped for the failed release could simply be started again. */
async function isServing({ interrupted }: WayBackAsked, tools: Tools): Promise<boolean> {
  if (interrupted === undefined) return false;
  return startStopped(interrupted, tools).catch(() => false);
}

/** Whether the present server, which was at most stopped, works again on an unchanged database. */
async function servesOn(asked: WayBackAsked, present: Release, tools: Tools): Promise<boolean> {
  const { interrupted, settings } = asked;
  if (interrupted === undefined || !(await isServing(asked, tools))) return false;
  const { stack } = interrupted;
  const [server] = await serversOf(stack, tools.engine);
  try {
    await proveServer(server!.id, settings, stack, tools, present.tag);
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
    `release ${failed.id} (${failed.tag}) failed with the disk of its state, what ran before runs again: ${why}`,
    {
      details: [`nothing could be read or written any more: ${(second as Error).message}`],
      next: "dmesg   (then, on a disk that works, the same command again)",
      cause: second,
    },
  );
}

type Place = Pick<Session, "directory" | "tools">;

/** A disk that failed in between may have written that the failed one is good. */
function lastGoodBefore(failed: Release, directory: string): Release | undefined {
  return releasesNewestFirst(directory).find(
    (one) => one.outcome === "good" && one.id !== failed.id,
  );
}

/**
 * Writes down what failed, and what was seen of it. A disk that has filled up meanwhile costs
 * the evidence, not the way back: there is room set aside for it.
 */
async function keepFailed({ failed, settings }: WayBackAsked, directory: string, tools: Tools) {
  // The second time what failed may have been removed: what was seen of it stays.
  const name = `${failed.id}${failed.outcome === "failed" ? "-again" : ""}`;
  const failure = { ...failed, outcome: "failed", seconds: null } as const;
  try {
    updateRelease(directory, failure);
    await gatherEvidence(settings, directory, name, tools);
  } catch (error) {
    if (!isDiskFailure(error)) throw error;
    tools.say.note(`the evidence is not kept: ${(error as Error).message}`);
    freeReserve(directory);
    updateRelease(directory, failure);
  }
}

/** Writes down that nobody has to go on with a failed release's way back any more. */
export function endWayBack(directory: string, failed: Release, tools: Tools): void {
  const seconds = Math.max(0, (tools.now() - Date.parse(failed.created)) / 1000);
  updateRelease(directory, { ...failed, outcome: "failed", seconds });
}

async function nothingBefore(
  { failed, settings, error }: WayBackAsked,
  why: string,
  cut: boolean,
  { directory, tools }: Place,
) {
  const cause = error instanceof Problem ? error : undefined;
  await letRequestsFail(failed, settings, { directory, tools });
  return new Problem(
    cut ? "INTERRUPTED" : "STEP_FAILED",
    `release ${failed.id} (${failed.tag}) failed, and there is no good release to go back to: ${why}`,
    {
      details: [...(cause?.details ?? []), ...(await whatRuns(settings, tools))],
      next: cause?.next ?? `npm run status -- ${settings.environment}`,
      cause: error,
    },
  );
}

/** Acknowledged writes stay live: what runs goes on, and a person chooses. */
async function stopped(
  { failed, settings, error }: WayBackAsked,
  why: string,
  stop: Problem,
  { directory, tools }: Place,
): Promise<Problem> {
  const cause = error instanceof Problem ? error.details : [];
  await letRequestsFail(failed, settings, { directory, tools });
  return new Problem(stop.code, `release ${failed.id} (${failed.tag}) failed: ${stop.message}`, {
    details: [`first: ${why}`, ...cause, ...stop.details, ...(await whatRuns(settings, tools))],
    ...(stop.next === undefined ? {} : { next: stop.next }),
    cause: error,
  });
}

async function stranded(
  { failed, settings, error }: WayBackAsked,
  why: string,
  present: Release | undefined,
  second: unknown,
  { directory, tools }: Place,
): Promise<Problem> {
  const cause = error instanceof Problem ? error.details : [];
  const details = [`first: ${why}`, ...cause, `then: ${(second as Error).message}`];
  if (second instanceof Problem) details.push(...second.details);
  details.push(...(await whatRuns(settings, tools)));
  await letRequestsFail(failed, settings, { directory, tools });
  const to = present === undefined ? "" : `${present.id} `;
  return new Problem("STEP_FAILED", `release ${failed.id} failed, and so did the way back`, {
    details,
    next: `npm run rollback -- ${to}--env ${settings.environment}`,
    cause: second,
  });
}

/** Whoever makes a request is told that nobody serves, instead of waiting in vain. */
async function letRequestsFail(
  failed: Release,
  settings: Settings,
  { directory, tools }: Place,
): Promise<void> {
  try {
    // The server that failed may run, and be the one that they reach.
    if (failed.way === "migrate") letIn(directory, failed.id);
    await openDoor(settings, tools);
  } catch {
    // What has failed before is what has to be told.
  }
}

async function whatRuns(settings: Settings, tools: Tools): Promise<string[]> {
  try {
    const containers = await tools.engine.containers(settings.project);
    if (containers.length === 0) return ["nothing runs"];
    return containers.map((one) => `${one.service}: ${one.state}, ${one.health}, ${one.image}`);
  } catch {
    return ["the engine does not say what runs now"];
  }
}
