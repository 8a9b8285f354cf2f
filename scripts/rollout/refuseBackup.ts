import { Problem } from "../common/problem.ts";
import { fingerprint, isSealed, type Backup } from "../ledger/backups.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * A dump may run any SQL: one that came back from elsewhere is restored only on request.
 * @param again the command that allows it
 * @throws Problem BACKUP_DAMAGED
 */
export function refuseForeign(
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
 * What the server stored encrypted nobody can read under another key.
 * @throws Problem KEY_CHANGED
 */
export function refuseOtherKey({ id, encryptionKey }: Backup, settings: Settings): void {
  if (encryptionKey === undefined) return;
  if (encryptionKey === fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY"))) return;
  throw new Problem(
    "KEY_CHANGED",
    `LETTA_ENCRYPTION_KEY is another one than when backup ${id} was taken: what the server stored encrypted could not be read any more`,
    { next: `put the key of then back into ${settings.secretsFile}` },
  );
}
