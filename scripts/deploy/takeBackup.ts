import { databaseName, type Mark } from "../database/databaseNames.ts";
import type { DatabaseOwn } from "../database/databaseOwn.ts";
import { dropScratch } from "../database/alterDatabases.ts";
import { assertRestored, dump } from "../database/dump.ts";
import { type DatabaseServer, interruptible } from "../database/sql.ts";
import { readDump, restoreDump } from "../database/restoreDump.ts";
import { type Backup, backupId, dumpPath, keepBackup } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import type { Stack } from "../stack/renderStack.ts";

export interface BackupInput {
  readonly directory: string;
  readonly server: DatabaseServer;
  /** The database to dump; the live one where it is left out. */
  readonly database?: string;
  /** What it gets when it is restored, instead of what it has now. */
  readonly own?: DatabaseOwn;
  readonly role: Stack["server"];
  /** Such as "deploy 000003". */
  readonly reason: string;
  /** The release that ran; null where none was recorded. */
  readonly release: string | null;
  /** See Backup. */
  readonly encryptionKey: string | undefined;
  /**
   * Marks the scratch database it is verified in, which stays for a rehearsal; undefined where the role
   * may restore into none: then the dump is read through, and does not count as verified.
   */
  readonly scratch: Mark | undefined;
}

/**
 * Dumps the database and verifies the dump by restoring it: rows of every table and revision
 * are those of the very snapshot that was dumped.
 * @throws Problem DATABASE_REFUSED, BACKUP_DAMAGED; an unproven dump is not counted as a backup
 */
export async function takeBackup(input: BackupInput, context: Context): Promise<Backup> {
  const { directory, server, role, scratch, reason, encryptionKey, own } = input;
  const release = input.release ?? "000000";
  const now = new Date(context.now());
  const id = backupId(release, now);
  const path = dumpPath(directory, id);
  const working = interruptible(server, context.signal);
  const taken = await context.reporter.step(
    "back up database",
    (report) =>
      dump(working, {
        database: input.database ?? server.name,
        path,
        revisionQuery: role.revisionQuery,
        onBytes: (bytes) => report(`${(bytes / 1e6).toFixed(0)} MB written`),
      }),
    ({ rows, bytes }) => `${total(rows)} rows, ${(bytes / 1e6).toFixed(1)} MB`,
  );
  const description = { id, created: now.toISOString(), reason, release };
  const key = encryptionKey === undefined ? {} : { encryptionKey };
  const backup = { ...taken, ...own, ...description, ...key, verified: null };
  keepBackup(directory, backup);
  if (scratch === undefined) {
    await context.reporter.step(
      "read dump",
      () => readDump(server, { path, manifest: taken }, context.signal),
      () => "readable; not restored, because the role may not restore into a new database",
    );
    return backup;
  }
  await context.reporter.step(
    "verify backup",
    async (report) => {
      await dropScratch(server, scratch);
      const onBytes = restoreProgress(taken, report);
      const copy = databaseName(server.name, scratch);
      await restoreDump(server, { path, manifest: taken, onBytes }, scratch, context.signal);
      await assertRestored(working.database(copy), taken, role.revisionQuery);
    },
    () => "restored into a copy, row counts match",
  );
  const verified = { ...backup, verified: new Date(context.now()).toISOString() };
  keepBackup(directory, verified);
  return verified;
}

/**
 * Tells how far a restore is: the share of the dump that pg_restore has read, and then what it makes last.
 * @param dump its size in bytes
 */
export function restoreProgress(
  { bytes: total }: { readonly bytes: number },
  report: (text: string) => void,
): (read: number) => void {
  return (read) =>
    report(read < total ? `${Math.floor((100 * read) / total)} %` : "indexes and constraints");
}

function total(rows: Readonly<Record<string, number>>): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}
