import { dropScratch } from "../database/dropScratch.ts";
import { assertAllows, lackText } from "../database/judgeDatabase.ts";
import { fingerprint, type Backup } from "../ledger/backups.ts";
import { judgeExternalDatabase } from "../parts/judgeExternalDatabase.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { newRun } from "./describeRelease.ts";
import { presentState } from "./presentState.ts";
import { prune } from "./prune.ts";
import { recover } from "./recover.ts";
import { refuseSmallDisk } from "./refuseGuarded.ts";
import { refuseTakenNames } from "./refuseTakenNames.ts";
import { runMarks } from "./runMarks.ts";
import { session, type SessionAsked } from "./session.ts";
import { takeBackup } from "./takeBackup.ts";

export interface BackupOutcome {
  readonly backup: Backup;
  readonly release: string;
}

/**
 * Dumps the database that serves and proves the dump; what is too old goes.
 * @throws Problem NOTHING_RUNS, DATABASE_REFUSED, BACKUP_DAMAGED, DISK_TOO_SMALL
 */
export function backUp(
  settings: Settings,
  asked: Omit<SessionAsked, "command">,
  tools: Tools,
): Promise<BackupOutcome> {
  return session(settings, { ...asked, command: "backup" }, tools, async (begun) => {
    await recover(settings, begun);
    const { target, seen } = await presentState(settings, begun);
    const server = seen.database!;
    await refuseSmallDisk(begun.directory, server);
    const release = seen.present!.id;
    const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
    const judged = await judgeExternalDatabase(settings, postgres, begun.tools);
    for (const one of assertAllows(judged, ["dump"]))
      begun.tools.say.note(`database: ${lackText(one)}`);
    const mark = runMarks(begun, { id: release, run: newRun(begun.tools) })("proof");
    const scratch = judged.mayRestore ? mark : undefined;
    if (scratch !== undefined) await refuseTakenNames(server, [scratch]);
    const parts = {
      directory: begun.directory,
      server,
      role: target.prepared.stack.server,
      reason: asked.reason ?? "asked for",
      release,
      encryptionKey: fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY")),
      scratch,
    };
    try {
      return { backup: await takeBackup(parts, begun.tools), release };
    } finally {
      if (scratch !== undefined) await dropScratch(server, scratch);
      await prune(settings, begun.directory, begun.tools);
    }
  });
}
