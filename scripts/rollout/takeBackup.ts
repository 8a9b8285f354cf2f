import { databaseName } from "../database/databaseName.ts";
import { dropScratch } from "../database/dropScratch.ts";
import { dump } from "../database/dump.ts";
import { interruptible } from "../database/interruptible.ts";
import type { Mark } from "../database/marks.ts";
import { proveRestored } from "../database/proveRestored.ts";
import { readDump, restoreDump } from "../database/restoreDump.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { backupId, dumpPath, keepBackup, type Backup } from "../ledger/backups.ts";
import type { Tools } from "../parts/tools.ts";
import type { Stack } from "../stack/renderStack.ts";

export interface BackupAsked {
  readonly directory: string;
  readonly server: DatabaseServer;
  readonly role: Stack["server"];
  /** Such as "deploy 000003". */
  readonly reason: string;
  /** The release that ran; null where none was recorded. */
  readonly release: string | null;
  /** See Backup. */
  readonly encryptionKey: string | undefined;
  /**
   * Marks the scratch database it is proven in, which stays for a rehearsal; undefined where the role
   * may restore into none: then the dump is read through, and does not count as proven.
   */
  readonly scratch: Mark | undefined;
}

/**
 * Dumps the database and proves the dump by restoring it: rows of every table and revision
 * are those of the very snapshot that was dumped.
 * @throws Problem DATABASE_REFUSED, BACKUP_DAMAGED; an unproven dump is not counted as a backup
 */
export async function takeBackup(asked: BackupAsked, tools: Tools): Promise<Backup> {
  const { directory, server, role, scratch, reason, encryptionKey } = asked;
  const release = asked.release ?? "000000";
  const now = new Date(tools.now());
  const id = backupId(release, now);
  const path = dumpPath(directory, id);
  const working = interruptible(server, tools.signal);
  const taken = await tools.say.step(
    "dump the database",
    (report) =>
      dump(working, {
        database: server.name,
        path,
        revisionQuery: role.revisionQuery,
        onBytes: (bytes) => report(`${(bytes / 1e6).toFixed(0)} MB written`),
      }),
    ({ rows, bytes }) => `${total(rows)} rows, ${(bytes / 1e6).toFixed(1)} MB`,
  );
  const about = { id, created: now.toISOString(), reason, release };
  const key = encryptionKey === undefined ? {} : { encryptionKey };
  const backup = { ...taken, ...about, ...key, proven: null };
  keepBackup(directory, backup);
  if (scratch === undefined) {
    await tools.say.step(
      "read the dump through",
      () => readDump(server, { path, sheet: taken }, tools.signal),
      () => "whole; not restored, as the role may not restore into a new database",
    );
    return backup;
  }
  await tools.say.step(
    "prove the dump",
    async (report) => {
      await dropScratch(server, scratch);
      const onBytes = restoreProgress(taken, report);
      const copy = databaseName(server.name, scratch);
      await restoreDump(server, { path, sheet: taken, onBytes }, scratch, tools.signal);
      await proveRestored(working.database(copy), taken, role.revisionQuery);
    },
    () => "restored on the side, the same counts of rows",
  );
  const proven = { ...backup, proven: new Date(tools.now()).toISOString() };
  keepBackup(directory, proven);
  return proven;
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
