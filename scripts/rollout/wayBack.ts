import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { dropScratch } from "../database/dropScratch.ts";
import { headsOf } from "../database/history.ts";
import { scratchName } from "../database/scratchName.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Release } from "../ledger/release.ts";
import { keepRelease, newestGood, nextReleaseId, updateRelease } from "../ledger/releases.ts";
import { isDiskFailure } from "../ledger/isDiskFailure.ts";
import { freeReserve } from "../ledger/reserve.ts";
import { secretKey } from "../ledger/secretKey.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import { activate } from "./activate.ts";
import { databaseBack } from "./databaseBack.ts";
import { describeRelease } from "./describeRelease.ts";
import { gatherEvidence } from "./evidence.ts";
import { findDoor } from "./findDoor.ts";
import { imageHistory } from "./imageHistory.ts";
import { keepRepairs } from "./keepRepairs.ts";
import { labelParts } from "./prepareStack.ts";
import { readyDatabase } from "./readyDatabase.ts";
import { repair } from "./repairs.ts";
import type { Session } from "./session.ts";
import { settingsText } from "./settingsText.ts";
import { settleServers } from "./settleServers.ts";
import { situation } from "./situation.ts";
import { stopAll } from "./stopAll.ts";
import { pastTarget } from "./target.ts";
import type { Tools } from "./tools.ts";

export interface WayBackAsked {
  /** The release that did not come to be good. */
  readonly failed: Release;
  /** The settings of now. */
  readonly settings: Settings;
  /** Why it failed. */
  readonly error: unknown;
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
  const why = cause?.message ?? (error as Error).message;
  let present: Release | undefined;
  try {
    present = newestGood(directory);
    await keepFailed(asked, directory, tools);
    if (present === undefined) {
      endWayBack(directory, failed, tools);
      return await nothingBefore(asked, why, session.tools.signal.aborted, tools);
    }
    tools.say.note(`${why}: going back to release ${present.id} (${present.tag})`);
    const back = await goBack({ ...asked, present, why }, { ...session, tools });
    const interrupted = session.tools.signal.aborted ? "interrupted: " : "";
    return new Problem(
      "ROLLED_BACK",
      `${interrupted}release ${failed.id} (${failed.tag}) failed, ${present.tag} serves again as release ${back.id}, proven`,
      {
        details: [why, ...(cause?.details ?? [])],
        next: cause?.next ?? `npm run logs -- ${settings.environment}`,
        cause: error,
      },
    );
  } catch (second) {
    return stranded(asked, why, present, second, tools);
  }
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

interface Return extends WayBackAsked {
  readonly present: Release;
  readonly why: string;
}

async function goBack(asked: Return, session: Session): Promise<Release> {
  const { failed, settings, present, why } = asked;
  const { directory, tools } = session;
  const key = secretKey(directory, tools.randomBytes);
  const id = nextReleaseId(directory);
  const observed = await tools.engine.containers(settings.project);
  const making = { id, directory, observed, secretKey: key, keeps: true };
  const target = await pastTarget(settings, present, making, tools);
  const { server: role } = target.prepared.stack;
  const image = target.images.bySetting.get("LETTA_IMAGE")!;
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await settleServers(settings, target.prepared.stack, tools);
  // Where nothing became of the database, the server may be the one that served all the time.
  const isIdle = failed.way === "none";
  if (!isIdle) {
    const failing = [role.service, role.migrate];
    await stopAll(target.prepared.stack, failing, tools, "stop what failed");
  }
  const origin = present.restores ?? present.id;
  const past = join(directory, "releases", origin, "compose.yaml");
  await readyDatabase(target.settings, target.prepared.stack, past, postgres, tools);
  const seen = await situation(settings, directory, role, postgres, tools);
  const heads = headsOf(await imageHistory(image, role, { directory, keeps: true }, tools));
  const { way, at } = seen.database
    ? await databaseBack(seen.database, { failed, present, id, heads, image, role }, session)
    : ({ way: "none", at: heads } as const);
  const stack =
    way === "keep"
      ? withoutMigration(
          target.prepared.stack,
          labelParts(target.settings, { release: id, observed, secretKey: key }),
        )
      : target.prepared.stack;
  const whole = { ...target, prepared: { ...target.prepared, stack } };
  const parts = {
    kind: "rollback",
    id,
    present,
    heads,
    revision: at,
    way,
    backup: null,
    proofs: [],
    rehearsal: null,
  } as const;
  const reason = `way back from ${failed.id}: ${why}`;
  const sheet = describeRelease(parts, whole, { ...session, reason });
  const file = keepRelease(directory, sheet, {
    "compose.yaml": stack.text,
    "collector.yaml": target.prepared.collector,
    "settings.env": settingsText(target.settings),
  });
  const repairs = way === "keep" ? await keepRepairs(directory, role, at, sheet.tag) : [];
  const activation = {
    sheet,
    target: whole,
    directory,
    file,
    incident: true,
    awayWork:
      isIdle && way === "none"
        ? undefined
        : async (server: DatabaseServer) => repair(server.database(), repairs),
  };
  try {
    const { release } = await activate(activation, tools);
    for (const purpose of ["before", "next"] as const) {
      if (seen.database === undefined) break;
      await dropScratch(seen.database, scratchName(seen.database.name, purpose, failed.id));
    }
    return release;
  } catch (error) {
    updateRelease(directory, { ...sheet, outcome: "failed" });
    throw error;
  }
}

async function nothingBefore(
  { failed, settings, error }: WayBackAsked,
  why: string,
  cut: boolean,
  tools: Tools,
) {
  const cause = error instanceof Problem ? error : undefined;
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

async function stranded(
  { failed, settings }: WayBackAsked,
  why: string,
  present: Release | undefined,
  second: unknown,
  tools: Tools,
): Promise<Problem> {
  const details = [`first: ${why}`, `then: ${(second as Error).message}`];
  if (second instanceof Problem) details.push(...second.details);
  details.push(...(await whatRuns(settings, tools)));
  // Whoever makes a request is told so instead of waiting.
  await openDoor(settings, tools).catch(() => undefined);
  const to = present === undefined ? "" : `${present.id} `;
  return new Problem("STEP_FAILED", `release ${failed.id} failed, and so did the way back`, {
    details,
    next: `npm run rollback -- ${to}--env ${settings.environment}`,
    cause: second,
  });
}

/** Ends a hold that nobody else will end. */
export async function openDoor(settings: Settings, tools: Tools): Promise<void> {
  const door = await findDoor(settings, "open", tools);
  await door?.open();
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
