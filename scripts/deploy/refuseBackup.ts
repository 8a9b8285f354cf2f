import { Problem } from "../common/problem.ts";
import { fingerprint, isSealed, type Backup } from "../state/backups.ts";
import type { Target } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { DatabaseStrategy } from "./databaseOptions.ts";

/** What a rollback by a backup was asked with. */
export interface BackupUse {
  /** Those of now. */
  readonly settings: Settings;
  readonly target: Pick<Target, "restores">;
  /** The strategies it may try; several where `auto` was asked for. */
  readonly attempts: readonly DatabaseStrategy[];
  readonly fromDump: readonly string[];
  /** Whether the backup may be another installation's. */
  readonly foreign?: boolean;
}

/** Whether a strategy restores a backup. */
export function usesBackup(databaseStrategy: DatabaseStrategy): boolean {
  return databaseStrategy === "restore" || databaseStrategy === "copy";
}

/**
 * A rollback restores no backup of elsewhere unless that was asked for, and none of another key.
 * @throws Problem BACKUP_DAMAGED with the same rollback that allows it, KEY_CHANGED
 */
export function refuseUnusable(directory: string, backup: Backup, use: BackupUse): void {
  const { settings, target, attempts, fromDump, foreign = false } = use;
  const again = [
    `npm run rollback -- ${target.restores ?? "<release>"}`,
    `--database ${attempts.length === 1 ? attempts[0] : "auto"}`,
    ...(fromDump.length === 0 ? [] : [`--from-dump ${fromDump.join(",")}`]),
    `--env ${settings.environment} --foreign`,
  ];
  assertOwn(directory, backup, foreign, again.join(" "));
  assertKnownKey(backup, settings);
}

/**
 * A dump may run any SQL: one that came back from elsewhere is restored only on request.
 * @param again the command that allows it
 * @throws Problem BACKUP_DAMAGED
 */
export function assertOwn(
  directory: string,
  { id }: Backup,
  isAllowed: boolean,
  again: string,
): void {
  if (isAllowed || isSealed(directory, id)) return;
  throw new Problem(
    "BACKUP_DAMAGED",
    `backup ${id}: expected one that this installation wrote, as it wrote it`,
    {
      details: ["it is another installation's, an earlier version's, or was changed since"],
      next: `${again}   (where you trust its origin)`,
    },
  );
}

/**
 * A server with another key cannot decrypt what was stored under the old one.
 * @throws Problem KEY_CHANGED
 */
export function assertKnownKey({ id, encryptionKey }: Backup, settings: Settings): void {
  if (encryptionKey === undefined) return;
  if (encryptionKey === fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY"))) return;
  throw new Problem(
    "KEY_CHANGED",
    `LETTA_ENCRYPTION_KEY is another one than when backup ${id} was taken: what the server stored encrypted could not be read any more`,
    { next: `put the key of then back into ${settings.secretsFile}` },
  );
}
