import { databaseName, type Mark } from "../../database/databaseNames.ts";
import { swapNames } from "../../database/alterDatabases.ts";
import { endedText } from "../../database/sessions.ts";
import type { DatabaseServer } from "../../database/sql.ts";
import { type Backup, dumpPath, fingerprint } from "../../state/backups.ts";
import type { Context } from "../../state/context.ts";
import type { Verification } from "../../state/release.ts";
import { type RunMarks, runMarks } from "../nextRelease.ts";
import { noteRetained } from "../noteRetained.ts";
import type { Rehearsal } from "../rehearse.ts";
import type { Rollout } from "../rollout.ts";
import type { Session } from "../session.ts";

/** What a strategy works with. */
export interface DatabaseRun {
  readonly rollout: Rollout;
  readonly session: Session;
  /** The live database's. */
  readonly server: DatabaseServer;
  readonly marks: RunMarks;
  /** The backup that is restored, or whose schema is copied into. */
  readonly source: Backup | undefined;
  /** Dumps the live database and leaves its restored copy as the rehearsal's database. */
  readonly backUp: () => Promise<Backup>;
}

/** What a strategy came to while the previous release still served. */
export interface Prepared {
  /** The backup that was taken. */
  readonly backup: string | null;
  readonly verifications: readonly Verification[];
  readonly rehearsal: Rehearsal | null;
}

/** What happens to the database of a release: tried on a copy first, then applied. */
export interface DatabaseStrategyPlan {
  /**
   * Backs up and rehearses on a copy. What runs is not touched.
   * @throws Problem REHEARSAL_FAILED, ROLLBACK_UNSAFE where it does not pass
   */
  prepare(run: DatabaseRun): Promise<Prepared>;
  /**
   * Runs while no server uses the database, or none has requests.
   * @param context whose reporter tells of it
   * @param oldServerStays whether the old server is left running
   */
  apply(
    run: DatabaseRun,
    prepared: Prepared,
    context: Context,
    oldServerStays: boolean,
  ): Promise<void>;
}

/** @param source the backup that was asked for, or the newest that fits */
export function databaseRun(
  rollout: Rollout,
  source: Backup | undefined,
  backUp: () => Promise<Backup>,
  session: Session,
): DatabaseRun {
  const server = rollout.currentState.database!;
  return { rollout, session, server, marks: runMarks(session, rollout), source, backUp };
}

/** The name of the database with this mark. */
export function nameOf({ server }: DatabaseRun, mark: Mark): string {
  return databaseName(server.name, mark);
}

/** The dump that the strategy reads. */
export function dumpOf({ source, session }: DatabaseRun) {
  return { path: dumpPath(session.directory, source!.id), manifest: source! };
}

/** Puts the incoming database in the place of the live one, which is retained under another name. */
export async function swapIn(run: DatabaseRun, { reporter }: Context): Promise<void> {
  const { server: now, marks, rollout, session } = run;
  const encryptionKey = fingerprint(rollout.settings.secrets.get("LETTA_ENCRYPTION_KEY"));
  const retained = marks("retained");
  await reporter.step(
    `retain present database as ${nameOf(run, retained)}`,
    async () => {
      const ended = await swapNames(now, [
        { from: now.name, to: retained },
        { from: nameOf(run, marks("incoming")), to: { ...marks("live"), encryptionKey } },
      ]);
      return [endedText(ended), await noteRetained(now, nameOf(run, retained), session)];
    },
    (texts) => texts.filter(Boolean).join("; "),
  );
}
