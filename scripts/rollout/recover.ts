import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { openDoor } from "../cutover/openDoor.ts";
import { settleServers } from "../cutover/settleServers.ts";
import { databaseOfRun, databases } from "../database/databases.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { endLeftovers } from "../database/endLeftovers.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { clearHalfWritten } from "../ledger/clearHalfWritten.ts";
import { wasLetIn } from "../ledger/letIn.ts";
import type { Release } from "../ledger/release.ts";
import { schemaBefore } from "../ledger/schemaBefore.ts";
import { newestGood, releasesNewestFirst } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { syncNewest } from "../ledger/syncNewest.ts";
import { readyDatabase } from "../parts/readyDatabase.ts";
import type { Tools } from "../parts/tools.ts";
import { pastTarget } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { activate } from "./activate.ts";
import { keepRepairs } from "./keepRepairs.ts";
import { migrationEnded } from "./migrationEnded.ts";
import { presentState } from "./presentState.ts";
import { rebuildRelease } from "./rebuildRelease.ts";
import { repair } from "./repairs.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { situation, type Situation } from "./situation.ts";
import { stageProject } from "./stage.ts";
import { tellRetained } from "./tellRetained.ts";
import { endWayBack, wayBack } from "./wayBack.ts";

/**
 * Finds out whether an earlier run was cut off, from the ledger, the engine and the database,
 * and finishes it or takes it back: afterwards the old release serves, or the new one, and
 * nothing that was made on the way is left.
 * @returns the release that was finished or taken back; undefined where all was in order
 * @throws Problem STEP_FAILED where a person must act
 */
export async function recover(settings: Settings, session: Session): Promise<string | undefined> {
  const { directory, tools, afterCut } = session;
  await tools.engine.sweep();
  clearHalfWritten(directory, afterCut);
  if (afterCut) {
    syncNewest(directory);
    await tools.engine.down(stageProject(settings.project, directory, tools), true);
  }
  await rebuild(settings, session);
  const cut = unfinished(directory);
  const isInOrder = cut === undefined || (await goOn(settings, cut, session));
  if (afterCut) {
    await openDoor(settings, tools);
    if (isInOrder) await clearAll(settings, session);
  }
  return cut?.kind === "up" ? undefined : cut?.id;
}

/** A damaged sheet of what serves is written anew; where that cannot be, nothing is made up. */
async function rebuild(settings: Settings, session: Session): Promise<void> {
  const [id] = session.damaged;
  if (id === undefined) return;
  const isRebuilt = await rebuildRelease(settings, id, session);
  const counts = isRebuilt ? "is rebuilt from what runs" : "does not count as good any more";
  session.tools.say.note(`release ${id} ${counts}`);
}

/** The newest sheet, where it was begun and never ended, or failed and its way back never ended. */
function unfinished(directory: string): Release | undefined {
  for (const release of releasesNewestFirst(directory)) {
    const { outcome, kind, seconds } = release;
    const isOwed = outcome === "failed" && kind !== "up" && seconds === null;
    return outcome === "begun" || isOwed ? release : undefined;
  }
  return undefined;
}

/** @returns whether all is in order now; else the next command tries it again before its own work */
async function goOn(settings: Settings, cut: Release, session: Session): Promise<boolean> {
  const { directory, tools } = session;
  if (cut.kind === "up" || newestGood(directory) === undefined) {
    // A plan goes by what is there: the next one finishes it.
    endWayBack(directory, cut, tools);
    return true;
  }
  const what = `${cut.kind} of release ${cut.id} (${cut.tag})`;
  if (cut.outcome === "begun") {
    tools.say.note(`${what} was cut off: finishing it or taking it back`);
    await finish(settings, cut, session);
    return true;
  }
  tools.say.note(`the way back of ${what} did not come to its end: once more`);
  const error = new Problem("INTERRUPTED", "the way back was cut off");
  const ended = await wayBack({ failed: cut, settings, error }, session);
  tools.say.note([ended.message, ...ended.details].join("; "));
  if (ended.code === "ROLLED_BACK") session.settled?.(ended.message);
  // In vain, and whoever acts now is not held up by it: it stays owed, with what it needs.
  return ended.code === "ROLLED_BACK";
}

async function finish(settings: Settings, cut: Release, session: Session): Promise<void> {
  const { directory, tools } = session;
  try {
    const key = secretKey(directory, tools.randomBytes);
    const observed = await tools.engine.containers(settings.project);
    const making = { id: cut.id, directory, observed, secretKey: key, keeps: true };
    const own = { ...cut, restores: cut.id };
    const target = await pastTarget(settings, own, making, tools);
    const { stack } = target.prepared;
    await settleServers(settings, stack, tools);
    await migrationEnded(target.settings, stack, tools);
    const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
    const file = join(directory, "releases", cut.id, "compose.yaml");
    await readyDatabase(target.settings, stack, file, image, tools);
    const seen = await situation(settings, directory, stack.server, image, tools);
    const isDone = await isThere(cut, seen, session);
    if (!isDone && !mayBeUnderWay(cut, directory)) {
      throw new Problem("INTERRUPTED", "it was cut off before the database was ready");
    }
    if (cut.way !== "migrate" && seen.database) await tellRetained(seen.database, cut.id, session);
    const at = seen.revision!;
    const repairs =
      cut.way === "keep" ? await keepRepairs(directory, stack.server, at, cut.tag) : [];
    const awayWork = (server: DatabaseServer) => repair(server.database(), repairs);
    const activation = {
      sheet: cut,
      target,
      directory,
      file,
      incident: true,
      migrated: isDone,
      awayWork: repairs.length > 0 ? awayWork : undefined,
    };
    const { release } = await activate(activation, tools);
    const { unverified = [] } = release;
    const how =
      unverified.length === 0
        ? "proven"
        : `fails as the server did before: ${unverified.join("; ")}`;
    const finished = `release ${release.id} (${release.tag}) is finished and ${how}`;
    tools.say.note(finished);
    session.settled?.(finished);
  } catch (error) {
    // Another state directory has taken the stack or its database over: nothing of it is rolled back.
    if (error instanceof Problem && error.code === "STATE_MISMATCH") throw error;
    const ended = await wayBack({ failed: cut, settings, error }, session);
    if (ended.code !== "ROLLED_BACK" || tools.signal.aborted) throw ended;
    tools.say.note(ended.message);
    session.settled?.(ended.message);
  }
}

/**
 * Whether a migration may have begun that the old server tolerates: it is completed, as rows may have come
 * since that no snapshot has.
 */
function mayBeUnderWay({ id, way }: Release, directory: string): boolean {
  return way === "migrate" && wasLetIn(directory, id) && schemaBefore(directory, id) !== undefined;
}

/** Whether the database is where the release brings it to. */
async function isThere(cut: Release, seen: Situation, session: Session): Promise<boolean> {
  const { database } = seen;
  if (database === undefined || seen.revision === undefined) return false;
  if (cut.way === "carry" || cut.way === "downgrade" || cut.way === "restore") {
    // Another database takes its place: the mark of this very run says that it did.
    const live = runMarks(session, cut)("live");
    return databaseOfRun(await databases(database), live) === database.name;
  }
  return sameRevisions(seen.revision, cut.revision);
}

async function databaseRuns({ project }: Settings, { engine }: Tools): Promise<boolean> {
  const containers = await engine.containers(project);
  return containers.some((one) => one.service === "postgres" && one.state === "running");
}

/** What a run that was cut off left on the database's server. */
async function clearAll(settings: Settings, session: Session): Promise<void> {
  const present = newestGood(session.directory);
  if (present === undefined) return;
  // What is brought up starts its own database, as its own plan says.
  if (present.kind === "up" && !(await databaseRuns(settings, session.tools))) return;
  try {
    const { seen } = await presentState(settings, session);
    const { installation } = runMarks(session, present)("live");
    const ended = await endLeftovers(seen.database!, installation);
    if (ended > 0) session.tools.say.note(`ended ${ended} database sessions of a killed run`);
    await clearScratch(seen.database!, installation);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    session.tools.say.note(`copies of the database may be left: ${error.message}`);
  }
}
