import { Problem } from "../common/problem.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { readReleaseFile } from "../state/releases.ts";
import { askEndSessions, needsDatabaseAlone } from "./askEndSessions.ts";
import { checkRollout } from "./checkRollout.ts";
import { askFailingServer } from "./checkServer.ts";
import { assertGated } from "./describePlan.ts";
import {
  assertDiskFits,
  assertNamesFree,
  assertPassword,
  assertSameKey,
  assertSameMajor,
  assertStagingVerified,
  hasNewPassword,
  namesNeeded,
  refuseUnusable,
  usesBackup,
} from "./guards.ts";
import { runMarks } from "./nextRelease.ts";
import type { PipelineOptions, Plan } from "./rollout.ts";
import type { Session } from "./session.ts";
import type { Target } from "./target.ts";
import { newestBackupAt } from "../state/backups.ts";

/** What was found and answered before anything is touched. */
export interface Ready {
  /** Whether sessions of others on the database may be ended. */
  readonly endsSessions: boolean;
  /** The database's password, where it was rotated and the server does not have it yet. */
  readonly newPassword: string | undefined;
  /** How the server fails already. */
  readonly before: Release["before"] | undefined;
  /** Why the images were not verified in staging, where that is only reported. */
  readonly unverified: string | undefined;
}

/**
 * Checks that the plan can work as things are: gate, key, password, images, names, disk, sessions, and
 * how the server does. Nothing is touched.
 * @param run the run's nonce, see newRun
 * @throws Problem for the first that keeps it from working; DECLINED, CONFIRMATION_NEEDED
 */
export async function assertReady(
  plan: Plan,
  options: PipelineOptions,
  run: string,
  begun: Session,
): Promise<Ready> {
  const { kind, settings, target, decision, preparation } = plan;
  const { directory, context } = begun;
  const { present, database, observed } = decision.currentState;
  if (database === undefined) await assertNotStopped(settings, context);
  if (kind === "deploy") assertGated(target, present);
  const key = preparation.secretKey!;
  assertSameKey(settings, present, key, decision.currentState.encryptionKey);
  const postgres = observed.find((one) => one.service === "postgres");
  const changesPostgres = decision.changes.some(
    (one) => one.service === "postgres" && one.action === "recreate",
  );
  const password = database && assertPassword(settings, postgres?.id, context);
  password?.catch(() => undefined); // reported below, after earlier messages
  await assertSameMajor(target, database, changesPostgres, context);
  await checkRollout(
    {
      settings: target.settings,
      prepared: target.prepared,
      changes: decision.changes,
      images: target.images,
      recreate: options.recreate,
      judged: isJudged(target, present, directory),
      past: target.restores !== null,
    },
    context,
  );
  await password;
  const mayEnd = options.endSessions === true;
  const endsSessions =
    database === undefined ? mayEnd : await assertDatabaseReady(plan, database, mayEnd, run, begun);
  const isRotated = database !== undefined && hasNewPassword(settings, present, key);
  if (isRotated) context.reporter.note("before: the server still uses the old database password");
  const { stack } = target.prepared;
  const mayGoOn = kind === "rollback" || options.despiteFailures === true;
  const before =
    database && !isRotated
      ? await askFailingServer({ settings, stack, observed, database, present }, mayGoOn, context)
      : undefined;
  const images = stack.services.map((one) => target.images.idByReference.get(one.image)!);
  return {
    endsSessions,
    newPassword: isRotated ? settings.secrets.get("LETTA_PG_PASSWORD") : undefined,
    before,
    unverified: kind === "deploy" ? assertStagingVerified(settings, images) : undefined,
  };
}

/**
 * The database's part: a usable backup, free names, disk space, and no session that must not be
 * ended. @returns whether sessions of others may be ended
 */
async function assertDatabaseReady(
  plan: Plan,
  database: DatabaseServer,
  mayEnd: boolean,
  run: string,
  begun: Session,
): Promise<boolean> {
  const { target, decision, preparation } = plan;
  const { directory, context } = begun;
  if (decision.schema.action !== "none" || decision.separatesRoles) {
    const { attempts, heads } = decision.schema;
    const backup = attempts.some(usesBackup) ? newestBackupAt(directory, heads) : undefined;
    // Where another strategy may pass, one whose backup is refused is passed over (prepareDeploy.ts).
    if (backup !== undefined && attempts.every(usesBackup))
      refuseUnusable(directory, backup, { fromDump: [], ...plan, attempts });
    const marks = runMarks(begun, { id: preparation.id, run });
    if (decision.mayCopy) await assertNamesFree(database, namesNeeded(marks));
    await assertDiskFits(directory, database, attempts.includes("restore") ? backup : undefined);
  }
  if (!needsDatabaseAlone(decision)) return mayEnd;
  return askEndSessions(database, target.prepared.stack, mayEnd, context);
}

/** Whether this collector's image has judged this very configuration in the present release. */
function isJudged(target: Target, present: Release | undefined, directory: string): boolean {
  if (present === undefined) return false;
  const reference = target.images.bySetting.get("COLLECTOR_IMAGE") ?? "";
  return (
    present.services["collector"]?.imageId === target.images.idByReference.get(reference) &&
    readReleaseFile(directory, present.id, "collector.yaml") === target.prepared.collector
  );
}

/**
 * A database that has stopped just when it was looked at is not one that is still to be made:
 * nothing of it would be backed up.
 * @throws Problem DATABASE_REFUSED
 */
async function assertNotStopped(
  { project, environment }: Settings,
  context: Context,
): Promise<void> {
  const name = `${project}_database`;
  if (!(await context.engine.volumes(project)).includes(name)) return;
  throw new Problem("DATABASE_REFUSED", "the database has just stopped; nothing was touched", {
    details: [`expected Postgres to run on ${name}; its container says why it ended`],
    next: `npm run logs -- ${environment} postgres`,
  });
}
