import { dropScratch } from "../database/alterDatabases.ts";
import { assertAllows, lackText } from "../database/assertDatabase.ts";
import { type Backup, fingerprint } from "../state/backups.ts";
import { judgeExternalDatabase } from "./databaseOf.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import { newRun } from "./describeRelease.ts";
import { presentState } from "./currentState.ts";
import { prune } from "./prune.ts";
import { recover } from "./recover.ts";
import { assertDiskFits, assertNamesFree } from "./guards.ts";
import { runMarks } from "./nextRelease.ts";
import { session, type SessionInput } from "./session.ts";
import { ensureStore, storeOffsite, storePlace } from "./offsite.ts";
import type { Offsite } from "../state/offsite.ts";
import { takeBackup } from "./takeBackup.ts";
import { resticStore } from "../docker/restic.ts";

export interface BackupOutcome {
  readonly backup: Backup;
  readonly release: string;
  /** Where it is off this machine too; null where that was not asked for. */
  readonly offsite: Offsite | null;
}

/**
 * Dumps the live database and verifies the dump, on request off this machine too; prunes old backups.
 * @throws Problem NOTHING_RUNS, DATABASE_REFUSED, BACKUP_DAMAGED, DISK_TOO_SMALL, STORE_REFUSED
 */
export function backUp(
  settings: Settings,
  input: Omit<SessionInput, "command"> & {
    /** A place off this machine; only this machine where it is left out. */
    readonly to?: string | undefined;
  },
  context: Context,
): Promise<BackupOutcome> {
  return session(settings, { ...input, command: "backup" }, context, async (begun) => {
    await recover(settings, begun);
    const place = input.to === undefined ? undefined : storePlace(input.to, settings);
    const { processEnvironment, signal } = begun.context;
    const store = place && resticStore(place, processEnvironment, signal);
    if (place !== undefined) await ensureStore(store!, place, begun.directory, begun.context);
    const { target, seen } = await presentState(settings, begun);
    const server = seen.database!;
    await assertDiskFits(begun.directory, server);
    const release = seen.present!.id;
    const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
    const judged = await judgeExternalDatabase(settings, postgres, begun.context);
    for (const one of assertAllows(judged, ["dump"]))
      begun.context.reporter.note(`database: ${lackText(one)}`);
    const mark = runMarks(begun, { id: release, run: newRun(begun.context) })("verification");
    const scratch = judged.mayRestore ? mark : undefined;
    if (scratch !== undefined) await assertNamesFree(server, [scratch]);
    const parts = {
      directory: begun.directory,
      server,
      role: target.prepared.stack.server,
      reason: input.reason ?? "asked for",
      release,
      encryptionKey: fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY")),
      scratch,
    };
    try {
      const backup = await takeBackup(parts, begun.context);
      if (place === undefined) return { backup, release, offsite: null };
      const storing = { settings, directory: begun.directory, backup };
      const offsite = await storeOffsite(store!, place, storing, begun.context);
      return { backup, release, offsite };
    } finally {
      if (scratch !== undefined) await dropScratch(server, scratch);
      await prune(settings, begun.directory, begun.context);
    }
  });
}
