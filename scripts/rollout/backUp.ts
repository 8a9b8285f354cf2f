import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { dropScratch } from "../database/dropScratch.ts";
import { scratchName } from "../database/scratchName.ts";
import type { Backup } from "../ledger/backups.ts";
import { newestGood } from "../ledger/releases.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import { prune } from "./prune.ts";
import { recover } from "./recover.ts";
import { refuseSmallDisk } from "./refuseGuarded.ts";
import { readyDatabase } from "./readyDatabase.ts";
import { session, type Session, type SessionAsked } from "./session.ts";
import { situation, type Situation } from "./situation.ts";
import { takeBackup } from "./takeBackup.ts";
import { pastTarget, type Target } from "./target.ts";
import type { Tools } from "./tools.ts";

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
    await refuseSmallDisk(begun.directory, server, begun.tools);
    const scratch = scratchName(server.name, "proof");
    const release = seen.present!.id;
    const parts = {
      directory: begun.directory,
      server,
      role: target.prepared.stack.server,
      reason: asked.reason ?? "asked for",
      release,
      scratch,
    };
    try {
      return { backup: await takeBackup(parts, begun.tools), release };
    } finally {
      await dropScratch(server, scratch);
      await prune(settings, begun.directory, begun.tools);
    }
  });
}

/**
 * The release that serves, with its database running.
 * @throws Problem NOTHING_RUNS
 */
export async function presentState(
  settings: Settings,
  { directory, tools }: Session,
): Promise<{ target: Target; seen: Situation }> {
  const present = newestGood(directory);
  if (present === undefined) {
    throw new Problem("NOTHING_RUNS", `${settings.environment} has no good release`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const observed = await tools.engine.containers(settings.project);
  const making = { id: present.id, directory, observed, secretKey: undefined, keeps: true };
  const own = { ...present, restores: present.id };
  const target = await pastTarget(settings, own, making, tools);
  const { stack } = target.prepared;
  const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const file = join(directory, "releases", present.id, "compose.yaml");
  await readyDatabase(settings, stack, file, image, tools);
  const seen = await situation(settings, directory, stack.server, image, tools);
  if (seen.database !== undefined) return { target, seen };
  throw new Problem("NOTHING_RUNS", `the database of ${settings.environment} does not run`, {
    next: bringUpCommand(settings.environment),
  });
}
