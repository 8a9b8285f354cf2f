import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Backup,
  backupId,
  dumpPath,
  isSealed,
  keepBackup,
  readBackups,
  removeBackup,
} from "../../scripts/state/backups.ts";
import { secretKey } from "../../scripts/state/secretKey.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { folder } from "./folder.ts";

const backup = (id: string): Backup => ({
  id,
  created: "2026-11-21T07:31:05.000Z",
  reason: "before 000004",
  release: id.slice(0, 6),
  database: "letta",
  sha256: "ab".repeat(32),
  bytes: 4,
  revision: ["1c28e167b74f"],
  rows: { agents: 37, messages: 2114 },
  verified: null,
  serverVersion: "17.5",
  globals: "CREATE ROLE letta;",
  globalsFault: null,
  settings: [{ role: null, setting: "search_path=public" }],
  grants: [{ role: "reader", privilege: "CONNECT", grantable: false }],
  locale: { encoding: "UTF8", collate: "C", ctype: "C", provider: "c", locale: null },
  databaseBytes: 8_000_000,
  extensions: { plpgsql: "1.0", vector: "0.8.1" },
  invalidIndexes: [],
});

const first = "000003-20261121T073105Z";
const second = "000003-20261121T083105Z";
const third = "000004-20261120T073105Z";

/** A state directory with these backups, whole. */
function retained(...ids: string[]): string {
  const directory = stateDirectory(folder(), "dev");
  for (const id of ids) {
    writeFileSync(dumpPath(directory, id), "dump");
    keepBackup(directory, backup(id));
  }
  return directory;
}

const manifest = (directory: string, id: string) => join(directory, "backups", `${id}.json`);

test("an id tells the release and the second", () => {
  assert.equal(backupId("000003", new Date("2026-11-21T07:31:05.987Z")), first);
});

test("where none was taken there is none", () => {
  assert.deepEqual(readBackups(folder()), { backups: [], damaged: [] });
});

test("backups come back as they were retained, newest first by release, then by time", () => {
  const { backups, damaged } = readBackups(retained(first, third, second));
  assert.deepEqual(backups, [backup(third), backup(second), backup(first)]);
  assert.deepEqual(damaged, []);
});

test("what became known is retained in place of the first manifest", () => {
  const directory = retained(first);
  keepBackup(directory, { ...backup(first), verified: "2026-11-21T07:33:00.000Z" });
  assert.equal(readBackups(directory).backups[0]?.verified, "2026-11-21T07:33:00.000Z");
  assert.deepEqual(readdirSync(join(directory, "backups")).sort(), [
    `${first}.dump`,
    `${first}.json`,
  ]);
});

test("a server that would not tell its roles is retained with its words", () => {
  const directory = retained();
  writeFileSync(dumpPath(directory, first), "dump");
  const silent = { ...backup(first), globals: null, globalsFault: "permission denied" };
  keepBackup(directory, silent);
  assert.deepEqual(readBackups(directory).backups, [silent]);
});

const whole = JSON.stringify({ format: 2, ...backup(second) });
/** A manifest as the first format had it, with SQL. */
const formatOne = (settings: readonly string[]) => {
  const locale = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
  const { grants: _, ...others } = backup(second);
  return JSON.stringify({ ...others, format: 1, settings, locale });
};

test("a backup of the first format is read, its SQL as data", () => {
  const directory = retained(second);
  writeFileSync(
    manifest(directory, second),
    formatOne([
      `ALTER DATABASE :"database" SET "search_path" TO 'public'`,
      'REVOKE ALL ON DATABASE :"database" FROM PUBLIC',
      'GRANT CONNECT ON DATABASE :"database" TO "reader"',
    ]),
  );
  const [read] = readBackups(directory).backups;
  assert.deepEqual(read?.settings, [{ role: null, setting: 'search_path="public"' }]);
  assert.deepEqual(read.grants, backup(second).grants);
});

const damage: Readonly<Record<string, [change: (directory: string) => void, why: RegExp]>> = {
  "whose manifest is empty": [(at) => writeFileSync(manifest(at, second), ""), /JSON/],
  "whose manifest is cut off": [
    (at) => writeFileSync(manifest(at, second), whole.slice(0, 90)),
    /expected JSON/,
  ],
  "whose manifest is of another format": [
    (at) => writeFileSync(manifest(at, second), whole.replace('"format":2', '"format":3')),
    /^format: expected 2, got 3$/,
  ],
  "whose manifest counts rows in words": [
    (at) => writeFileSync(manifest(at, second), whole.replace(":37", ':"many"')),
    /^rows\.agents: expected number, got "many"$/,
  ],
  "whose manifest does not tell the database's locale": [
    (at) => writeFileSync(manifest(at, second), whole.replace('"locale"', '"local"')),
    /^locale: expected/,
  ],
  "whose manifest has SQL in the place of a privilege": [
    (at) => writeFileSync(manifest(at, second), whole.replace('"CONNECT"', '"CONNECT ON x; DROP"')),
    /^grants\.0\.privilege: expected/,
  ],
  "of the first format, with SQL that is not this tool's": [
    (at) => writeFileSync(manifest(at, second), formatOne(["\\! id > /tmp/pwned"])),
    /^settings: expected Array, got null$/,
  ],
  "whose manifest is another one's": [
    (at) => writeFileSync(manifest(at, second), JSON.stringify({ format: 2, ...backup(first) })),
    /^expected id 000003-20261121T083105Z, got 000003-20261121T073105Z$/,
  ],
  "whose manifest is missing": [(at) => rmSync(manifest(at, second)), /^its manifest is missing$/],
  "whose dump is missing": [(at) => rmSync(dumpPath(at, second)), /^its dump is missing$/],
  "whose dump is cut off": [
    (at) => writeFileSync(dumpPath(at, second), "du"),
    /^expected a dump of 4 bytes, got 2$/,
  ],
};

for (const [name, [change, why]] of Object.entries(damage)) {
  test(`a backup ${name} is none, and is reported`, () => {
    const directory = retained(first, second);
    change(directory);
    const { backups, damaged } = readBackups(directory);
    assert.deepEqual(
      backups.map((one) => one.id),
      [first],
    );
    assert.deepEqual(
      damaged.map((one) => one.id),
      [second],
    );
    assert.match(damaged[0]?.why ?? "", why);
  });
}

test("a dump that is still being written is no backup and no damage", () => {
  const directory = retained();
  writeFileSync(`${dumpPath(directory, first)}.part`, "du");
  assert.deepEqual(readBackups(directory), { backups: [], damaged: [] });
});

test("what is removed is gone, manifest and dump, and nothing else", () => {
  const directory = retained(first, second);
  removeBackup(directory, first);
  assert.deepEqual(readdirSync(join(directory, "backups")).sort(), [
    `${second}.dump`,
    `${second}.json`,
  ]);
  assert.ok(!existsSync(manifest(directory, first)));
});

test("a manifest is no one else's to read", () => {
  assert.equal(statSync(manifest(retained(first), first)).mode & 0o777, 0o600);
});

test("a manifest is this installation's as long as nothing in it was changed", () => {
  const directory = stateDirectory(folder(), "dev");
  const key = secretKey(directory, (count) => Buffer.alloc(count, 1));
  assert.equal(key.length, 32);
  writeFileSync(dumpPath(directory, first), "dump");
  keepBackup(directory, backup(first));
  assert.ok(isSealed(directory, first));
  const text = readFileSync(manifest(directory, first), "utf8");
  for (const changed of [
    text.replace("abab", "abac"),
    text.replace("search_path", "role"),
    text.replace(/,\s*"seal": "\w+"/u, ""),
    text.replace(/"seal": "\w+"/u, '"seal": ""'),
  ]) {
    assert.notEqual(changed, text);
    writeFileSync(manifest(directory, first), changed);
    assert.ok(!isSealed(directory, first));
  }
  writeFileSync(manifest(directory, first), text);
  assert.ok(isSealed(directory, first));
  writeFileSync(join(directory, "key"), "02".repeat(32));
  assert.ok(!isSealed(directory, first), "with another installation's key");
});
