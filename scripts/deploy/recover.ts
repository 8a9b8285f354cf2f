import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { databaseOfRun, databases } from "../database/databaseNames.ts";
import { headsOf, sameRevisions } from "../database/revisions.ts";
import { endLeftovers } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { schemaBefore } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import { tookWrites } from "../state/markers.ts";
import type { Release } from "../state/release.ts";
import {
  newestGood,
  releasesNewestFirst,
  removePartialWrites,
  syncNewest,
  updateRelease,
} from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { applyRelease } from "./applyRelease.ts";
import { currentState, type CurrentState, ensureDatabase, presentState } from "./currentState.ts";
import { describeRelease, madeDigests } from "./describeRelease.ts";
import { imageHistory } from "./imageHistory.ts";
import { runMarks } from "./nextRelease.ts";
import { tellRetained } from "./noteRetained.ts";
import { planChanges } from "./planChanges.ts";
import { leftRehearsals } from "./rehearsalEnvironment.ts";
import { keepRepairs, repair } from "./repairs.ts";
import { removeExtraReplica, resumeRequests } from "./replaceServer.ts";
import { endRollback, rollbackAutomatically } from "./rollbackAutomatically.ts";
import type { Session } from "./session.ts";
import { pastTarget } from "./target.ts";

/**
 * Finds out whether an earlier run was interrupted, from the state, the engine and the database,
 * and finishes it or takes it back: afterwards the old release serves, or the new one, and
 * nothing that was made on the way is left.
 * @returns the release that was finished or taken back; undefined where all was in order
 * @throws Problem STEP_FAILED where a person must act
 */
export async function recover(settings: Settings, session: Session): Promise<string | undefined> {
  const { directory, context, afterInterruption } = session;
  await context.engine.sweep();
  removePartialWrites(directory, afterInterruption);
  if (afterInterruption) {
    syncNewest(directory);
    for (const one of leftRehearsals(settings.project, directory, context))
      await context.engine.down(one, true);
  }
  await rebuild(settings, session);
  const interrupted = unfinished(directory);
  const isInOrder = interrupted === undefined || (await resumeRun(settings, interrupted, session));
  if (afterInterruption) {
    await resumeRequests(settings, context);
    if (isInOrder) await clearAll(settings, session);
  }
  return interrupted?.kind === "up" ? undefined : interrupted?.id;
}

/** Rewrites a damaged manifest of what serves; where that is impossible, nothing is made up. */
async function rebuild(settings: Settings, session: Session): Promise<void> {
  const [id] = session.damaged;
  if (id === undefined) return;
  const isRebuilt = await rebuildRelease(settings, id, session);
  const counts = isRebuilt ? "is rebuilt from what runs" : "no longer counts as good";
  session.context.reporter.note(`release ${id} ${counts}`);
}

/** The newest manifest, if it was begun and never ended, or failed and its rollback never ended. */
function unfinished(directory: string): Release | undefined {
  for (const release of releasesNewestFirst(directory)) {
    const { outcome, kind, seconds } = release;
    const isOwed = outcome === "failed" && kind !== "up" && seconds === null;
    return outcome === "begun" || isOwed ? release : undefined;
  }
  return undefined;
}

/** @returns whether all is in order now; else the next command tries it again before its own work */
async function resumeRun(
  settings: Settings,
  interrupted: Release,
  session: Session,
): Promise<boolean> {
  const { directory, context } = session;
  if (interrupted.kind === "up" || newestGood(directory) === undefined) {
    // A plan starts from the observed state: the next one completes it.
    endRollback(directory, interrupted, context);
    return true;
  }
  const what = `${interrupted.kind} of release ${interrupted.id} (${interrupted.tag})`;
  if (interrupted.outcome === "begun") {
    context.reporter.note(`${what} was interrupted: finishing or reverting it`);
    await complete(settings, interrupted, session);
    return true;
  }
  context.reporter.note(`the rollback of ${what} was interrupted: resuming it`);
  const error = new Problem("INTERRUPTED", "the rollback was interrupted");
  const ended = await rollbackAutomatically({ failed: interrupted, settings, error }, session);
  const next = ended.next === undefined ? [] : [`next: ${ended.next}`];
  context.reporter.note([ended.message, ...ended.details, ...next].join("; "));
  if (ended.code === "ROLLED_BACK") session.settled?.(ended.message);
  // It failed, and does not stop the present run: it stays pending, with what it needs.
  return ended.code === "ROLLED_BACK";
}

async function complete(settings: Settings, interrupted: Release, session: Session): Promise<void> {
  const { directory, context } = session;
  try {
    const key = secretKey(directory, context.randomBytes);
    const observed = await context.engine.containers(settings.project);
    const preparation = { id: interrupted.id, directory, observed, secretKey: key, keeps: true };
    const own = { ...interrupted, restores: interrupted.id };
    const target = await pastTarget(settings, own, preparation, context);
    const { stack } = target.prepared;
    await removeExtraReplica(settings, stack, context);
    await migrationEnded(target.settings, stack, context);
    const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
    const file = join(directory, "releases", interrupted.id, "compose.yaml");
    await ensureDatabase(target.settings, stack, file, image, context);
    const seen = await currentState(settings, directory, stack.server, image, context);
    const isDone = await isThere(interrupted, seen, session);
    if (!isDone && !mayBeUnderWay(interrupted, directory)) {
      throw new Problem("INTERRUPTED", "it was interrupted before the database was ready");
    }
    if (interrupted.databaseStrategy !== "migrate" && seen.database)
      await tellRetained(seen.database, interrupted.id, session);
    const at = seen.revision!;
    const repairs =
      interrupted.databaseStrategy === "keep"
        ? await keepRepairs(directory, stack.server, at, interrupted.tag)
        : [];
    const offlineTask = (server: DatabaseServer) => repair(server.database(), repairs);
    const releaseInput = {
      manifest: interrupted,
      target,
      directory,
      file,
      fast: true,
      migrated: isDone,
      offlineTask: repairs.length > 0 ? offlineTask : undefined,
    };
    const { release } = await applyRelease(releaseInput, context);
    const { unverified = [] } = release;
    const how =
      unverified.length === 0
        ? "verified"
        : `fails as the server did before: ${unverified.join("; ")}`;
    const finished = `release ${release.id} (${release.tag}) is finished and ${how}`;
    context.reporter.note(finished);
    session.settled?.(finished);
  } catch (error) {
    // Another state directory has taken the stack or its database over: nothing of it is rolled back.
    if (error instanceof Problem && error.code === "STATE_MISMATCH") throw error;
    const ended = await rollbackAutomatically({ failed: interrupted, settings, error }, session);
    if (ended.code !== "ROLLED_BACK" || context.signal.aborted) throw ended;
    context.reporter.note(ended.message);
    session.settled?.(ended.message);
  }
}

/**
 * Whether a migration may have begun that the old server tolerates: it is completed, as rows may have come
 * since that no snapshot has.
 */
function mayBeUnderWay({ id, databaseStrategy }: Release, directory: string): boolean {
  return (
    databaseStrategy === "migrate" &&
    tookWrites(directory, id) &&
    schemaBefore(directory, id) !== undefined
  );
}

/** Whether the database is where the release brings it to. */
async function isThere(
  interrupted: Release,
  seen: CurrentState,
  session: Session,
): Promise<boolean> {
  const { database } = seen;
  if (database === undefined || seen.revision === undefined) return false;
  if (
    interrupted.databaseStrategy === "copy" ||
    interrupted.databaseStrategy === "downgrade" ||
    interrupted.databaseStrategy === "restore"
  ) {
    // Another database takes its place: the mark of this very run says that it did.
    const live = runMarks(session, interrupted)("live");
    return databaseOfRun(await databases(database), live) === database.name;
  }
  return sameRevisions(seen.revision, interrupted.revision);
}

async function databaseRuns({ project }: Settings, { engine }: Context): Promise<boolean> {
  const containers = await engine.containers(project);
  return containers.some((one) => one.service === "postgres" && one.state === "running");
}

/** What a run that was interrupted left on the database's server. */
async function clearAll(settings: Settings, session: Session): Promise<void> {
  const present = newestGood(session.directory);
  if (present === undefined) return;
  // What is brought up starts its own database, as its own plan says.
  if (present.kind === "up" && !(await databaseRuns(settings, session.context))) return;
  try {
    const { seen } = await presentState(settings, session);
    const { installation } = runMarks(session, present)("live");
    const ended = await endLeftovers(seen.database!, installation);
    if (ended > 0)
      session.context.reporter.note(`ended ${ended} database sessions of a killed run`);
    await clearScratch(seen.database!, installation);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    session.context.reporter.note(`copies of the database may remain: ${error.message}`);
  }
}

/**
 * Rewrites the manifest of the release that serves, after it was damaged: from its own files,
 * from what runs, and from what the database says. Where these do not agree nothing is made
 * up, and the release before counts as the last good one.
 * @param id the damaged one's
 * @returns whether it could be rebuilt
 */
async function rebuildRelease(settings: Settings, id: string, session: Session): Promise<boolean> {
  const { directory, context } = session;
  const previous = newestGood(directory);
  if (previous !== undefined && previous.id > id) return false; // the past is not guessed
  const observed = await context.engine.containers(settings.project);
  try {
    const own = { id, restores: id, services: {} } as unknown as Release;
    const preparation = { id, directory, observed, secretKey: undefined, keeps: true };
    const target = await pastTarget(settings, own, preparation, context);
    const { stack } = target.prepared;
    const { idByReference, bySetting } = target.images;
    const changes = planChanges(stack, observed, idByReference, "idle");
    // Without its key nothing is known of secrets: those are checked by the verification that follows.
    const differing = changes.filter((one) => one.action !== "none");
    const postgres = bySetting.get("POSTGRES_IMAGE")!;
    const seen = await currentState(settings, directory, stack.server, postgres, context);
    if (differing.length > 0 || seen.revision === undefined) return false;
    const history = await imageHistory(
      bySetting.get("LETTA_IMAGE")!,
      stack.server,
      preparation,
      context,
    );
    const manifest = describeRelease(
      {
        kind: "deploy",
        id,
        present: previous,
        heads: headsOf(history),
        revision: seen.revision,
        databaseStrategy: "none",
        backup: null,
        verifications: [],
        rehearsal: null,
      },
      { ...target, restores: null },
      { ...session, reason: "rebuilt from what runs, as its manifest was damaged" },
    );
    const services = await madeDigests(manifest, undefined, stack.project, directory, context);
    updateRelease(directory, { ...manifest, outcome: "good", services, seconds: 0 });
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/** A migration goes on when the tool is killed: whatever it comes to, it is not disturbed. */
export async function migrationEnded(
  settings: Settings,
  stack: Stack,
  context: Context,
): Promise<void> {
  const containers = await context.engine.containers(settings.project);
  const job = containers.find((one) => one.service === stack.server.migrate);
  if (job?.state !== "running") return;
  await context.reporter.step("wait for running migration", async () => {
    while ((await context.engine.inspect(job.id)).state === "running") {
      await sleep(100, undefined, { signal: context.signal });
    }
  });
}
