import { Problem } from "../common/problem.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { assertAllows, lackText } from "../database/assertDatabase.ts";
import { sameRevisions } from "../database/revisions.ts";
import { describeEngine } from "../docker/endpoint.ts";
import { type Backup, readBackups } from "../state/backups.ts";
import { judgeExternalDatabase } from "./databaseOf.ts";
import type { Context } from "../state/context.ts";
import { pastTarget } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { askEndSessions } from "./askEndSessions.ts";
import { runPlan } from "./runPlan.ts";
import { preparationOf } from "./deploy.ts";
import { newRun } from "./describeRelease.ts";
import { presentState } from "./currentState.ts";
import { recover } from "./recover.ts";
import {
  assertDiskFits,
  assertKnownKey,
  assertNamesFree,
  assertOwn,
  namesNeeded,
} from "./guards.ts";
import { runMarks } from "./nextRelease.ts";
import { type Retaining, session, type Session, type SessionInput } from "./session.ts";

export interface RestoreOutcome {
  readonly backup: Backup;
  readonly release: string;
  readonly from: string;
  readonly databaseStrategy: "restore";
  /** The backup of the database that it replaced: the way to undo it. */
  readonly replaced: string | null;
  readonly downtimeSeconds: number | null;
}

export interface RestoreOptions {
  readonly requested: string | undefined;
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
  /** Whether sessions of others may be ended without a question. */
  readonly endSessions?: boolean;
  /** Whether a question that covers this was answered before. */
  readonly isConfirmed?: boolean;
}

/**
 * Puts a backup in the place of the live database, which stays under another name. The same
 * release serves on: a backup of another schema needs a rollback to its release.
 * @param requested a backup's id; the newest verified one by default
 * @throws Problem RELEASE_UNKNOWN where there is no such backup, ROLLBACK_UNSAFE where its schema
 *   is another, BACKUP_DAMAGED; ROLLED_BACK where the previous database serves again
 */
export function restore(
  settings: Settings,
  input: Omit<SessionInput, "command"> & RestoreOptions,
  context: Context,
): Promise<RestoreOutcome & Retaining> {
  return session(settings, { ...input, command: "restore" }, context, async (begun) => {
    await recover(settings, begun);
    return restoreWithin(settings, input, begun);
  });
}

/** The same within a session that has begun. */
export async function restoreWithin(
  settings: Settings,
  input: RestoreOptions,
  begun: Session,
): Promise<RestoreOutcome> {
  const { seen, target: serving } = await presentState(settings, begun);
  const present = seen.present!;
  const postgres = serving.images.bySetting.get("POSTGRES_IMAGE")!;
  const judged = await judgeExternalDatabase(settings, postgres, begun.context);
  const { mayCopy, mayRestore } = judged;
  for (const one of assertAllows(judged, ["write", "dump", "copy", "restore"]))
    begun.context.reporter.note(`database: ${lackText(one)}`);
  const requested = { id: input.requested, of: seen.database!.name };
  const backup = chooseBackup(begun.directory, requested, settings.environment);
  const again = `npm run restore -- ${settings.environment} ${backup.id} --foreign`;
  assertOwn(begun.directory, backup, input.foreign === true, again);
  assertKnownKey(backup, settings);
  if (!sameRevisions(backup.revision, present.revision)) {
    throw new Problem(
      "ROLLBACK_UNSAFE",
      `backup ${backup.id} is at ${backup.revision.join(", ")}, release ${present.id} serves at ${present.revision.join(", ")}`,
      {
        next: `npm run rollback -- ${backup.release} --database restore --env ${settings.environment}`,
      },
    );
  }
  const preparation = await preparationOf(settings, begun);
  const run = newRun(begun.context);
  const marks = runMarks(begun, { id: preparation.id, run });
  await assertNamesFree(seen.database!, namesNeeded(marks));
  await assertDiskFits(begun.directory, seen.database!, backup);
  const { stack } = serving.prepared;
  await askEndSessions(seen.database!, stack, input.endSessions === true, begun.context);
  if (input.isConfirmed !== true) {
    await begun.context.reporter.confirm("Replace the live database by this backup?", [
      describeEngine(begun.context.engine),
      `backup ${backup.id} of ${backup.created} (${backup.reason})`,
      "it lacks all writes since; the present database is retained under another name",
    ]);
  }
  await clearScratch(seen.database!, marks("live").installation);
  const own = { ...present, restores: present.id };
  const target = await pastTarget(settings, own, preparation, begun.context);
  const done = await runPlan(
    {
      kind: "restore",
      id: preparation.id,
      run,
      settings,
      target: { ...target, restores: present.restores },
      currentState: seen,
      schema: {
        revision: present.revision,
        heads: present.revision,
        action: "restore",
        migrations: [],
        strategies: [],
        attempts: ["restore"],
        why: "asked for",
      },
      separatesRoles: false,
      mayCopy,
      mayRestore,
      changes: [],
      previousTag: present.tag,
      previous: undefined,
      revisionOwner: undefined,
      backup,
      fromDump: [],
      fast: true,
    },
    begun,
  );
  const { release, downtimeSeconds } = done;
  return {
    backup,
    release: release.id,
    from: present.id,
    databaseStrategy: "restore",
    replaced: release.backup,
    downtimeSeconds,
  };
}

function chooseBackup(
  directory: string,
  requested: { readonly id: string | undefined; readonly of: string },
  environment: string,
): Backup {
  const { backups, damaged } = readBackups(directory);
  const found = backups.find((one) =>
    // What was moved in is restored by its id alone: it is no earlier state of this database.
    requested.id === undefined
      ? one.verified !== null && one.database === requested.of
      : one.id === requested.id,
  );
  if (found !== undefined) return found;
  const what = requested.id === undefined ? "a verified backup" : `a backup ${requested.id}`;
  throw new Problem("RELEASE_UNKNOWN", `expected ${what} of ${environment}, got none`, {
    details: [
      ...backups.map((one) => `${one.id} ${one.reason}${one.verified ? "" : " (not verified)"}`),
      ...damaged.map((one) => `${one.id}: ${one.why}`),
    ],
    next: `npm run backup -- ${environment}`,
  });
}
