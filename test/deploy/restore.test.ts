import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import {
  type Backup,
  dumpPath,
  fingerprint,
  keepBackup,
  readBackups,
} from "../../scripts/state/backups.ts";
import { secretKey } from "../../scripts/state/secretKey.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import {
  assertKnownKey,
  assertOwn,
  type BackupUse,
  refuseUnusable,
} from "../../scripts/deploy/guards.ts";
import { folder } from "../state/folder.ts";
import { settingsOf } from "./exampleTarget.ts";

const settings = settingsOf("prod");
const id = "000003-20261121T073105Z";

/** A state directory with one backup, taken under this encryption key. */
function taken(key: string | undefined): { directory: string; backup: Backup } {
  const directory = stateDirectory(folder(), "prod");
  secretKey(directory, (count) => Buffer.alloc(count, 1));
  writeFileSync(dumpPath(directory, id), "dump");
  const encryptionKey = fingerprint(key);
  keepBackup(directory, {
    id,
    created: "2026-11-21T07:31:05.000Z",
    reason: "asked for",
    release: "000003",
    database: "letta",
    sha256: "ab".repeat(32),
    bytes: 4,
    revision: ["a1"],
    rows: { agents: 1 },
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    verified: null,
    serverVersion: "17.5",
    globals: null,
    globalsFault: null,
    settings: [],
    grants: null,
    locale: { encoding: "UTF8", collate: "C", ctype: "C", provider: "c", locale: null },
    databaseBytes: 1,
    extensions: {},
    invalidIndexes: [],
  });
  const [backup] = readBackups(directory).backups;
  return { directory, backup: backup! };
}

test("another installation's backup is restored only on request", () => {
  const { directory, backup } = taken(undefined);
  assertOwn(directory, backup, false, "npm run restore -- prod --foreign");
  writeFileSync(`${directory}/key`, "02".repeat(32));
  assert.throws(() => assertOwn(directory, backup, false, "npm run restore -- prod --foreign"), {
    code: "BACKUP_DAMAGED",
    exit: 3,
    next: /--foreign/,
  });
  assertOwn(directory, backup, true, "npm run restore -- prod --foreign");
});

test("a backup of another encryption key is refused, with neither key in the words", () => {
  const now = settings.secrets.get("LETTA_ENCRYPTION_KEY")!;
  assertKnownKey(taken(now).backup, settings);
  assertKnownKey(taken(undefined).backup, settings);
  const other = "another-key-of-another-machine";
  assert.throws(
    () => assertKnownKey(taken(other).backup, settings),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "KEY_CHANGED");
      assert.ok(!error.message.includes(now) && !error.message.includes(other));
      return true;
    },
  );
});

test("a rollback whose backup is refused names the strategy that was asked for", () => {
  const { directory, backup } = taken(undefined);
  writeFileSync(`${directory}/key`, "02".repeat(32));
  const target = { restores: "000001" };
  const nextOf = (attempts: BackupUse["attempts"], fromDump: string[] = []) => {
    let next: string | undefined;
    const use = { settings, target, attempts, fromDump };
    assert.throws(
      () => refuseUnusable(directory, backup, use),
      (error: Problem) => {
        next = error.next?.replace(/ {3}.*/u, "");
        return error.code === "BACKUP_DAMAGED" && error.exit === 3;
      },
    );
    refuseUnusable(directory, backup, { ...use, foreign: true });
    return next;
  };
  const rollback = (how: string) => `npm run rollback -- 000001 ${how} --env prod --foreign`;
  assert.equal(nextOf(["restore"]), rollback("--database restore"));
  assert.equal(nextOf(["copy"]), rollback("--database copy"));
  assert.equal(nextOf(["copy"], ["a", "b"]), rollback("--database copy --from-dump a,b"));
  assert.equal(nextOf(["keep", "copy", "downgrade"]), rollback("--database auto"));
});
