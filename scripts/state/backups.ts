import { sameRevisions } from "../database/revisions.ts";
import { createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ownFromSql, privileges } from "../database/databaseOwn.ts";
import type { DumpManifest } from "../database/dump.ts";
import type { Schema } from "../database/schema.ts";
import { readKey } from "./secretKey.ts";
import { writeFile } from "./writeFile.ts";

const format = 2;

/** The manifest of a backup: what its dump holds, how to check it, and why it was made. */
export interface Backup extends DumpManifest {
  /** The release it was taken at, and when: "000003-20261121T073105Z". */
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  /** Why it was taken: "before 000004", "asked for". */
  readonly reason: string;
  readonly release: string;
  /** Of LETTA_ENCRYPTION_KEY as it was then (see fingerprint); left out where there was none. */
  readonly encryptionKey?: string | undefined;
  /** When it was restored to see that it can be; null where it never was. */
  readonly verified: string | null;
}

/** Something in backups/ that is no whole backup. */
export interface DamagedBackup {
  readonly id: string;
  readonly why: string;
}

export interface Backups {
  /** Newest first: by release, then by time. */
  readonly backups: readonly Backup[];
  readonly damaged: readonly DamagedBackup[];
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const time = v.pipe(v.string(), v.isoTimestamp());
/** What a backup of format 1 stored as SQL, as data. */
const upgraded = v.transform((manifest: unknown) => {
  const old = v.safeParse(formatOne, manifest);
  if (!old.success) return manifest;
  const own = ownFromSql(old.output.settings, old.output.locale);
  return { ...old.output, format, ...(own ?? { settings: null }) };
});
const formatOne = v.looseObject({
  format: v.literal(1),
  settings: v.array(v.string()),
  locale: v.string(),
});

const schema = v.object({
  format: v.literal(format),
  id: v.string(),
  created: time,
  reason: v.string(),
  release: v.string(),
  database: v.string(),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  bytes: count,
  revision: v.array(v.string()),
  rows: v.record(v.string(), count),
  verified: v.nullable(time),
  serverVersion: v.string(),
  globals: v.nullable(v.string()),
  globalsFault: v.nullable(v.string()),
  settings: v.array(v.object({ role: v.nullable(v.string()), setting: v.string() })),
  grants: v.nullable(
    v.array(
      v.object({
        role: v.nullable(v.string()),
        privilege: v.picklist(privileges),
        grantable: v.boolean(),
      }),
    ),
  ),
  locale: v.object({
    encoding: v.string(),
    collate: v.string(),
    ctype: v.string(),
    provider: v.nullable(v.string()),
    locale: v.nullable(v.string()),
    rules: v.optional(v.nullable(v.string())),
  }),
  connectionLimit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(-1))),
  owner: v.optional(v.string()),
  databaseBytes: count,
  encryptionKey: v.optional(v.string()),
  extensions: v.record(v.string(), v.string()),
  invalidIndexes: v.array(v.string()),
});

const named = /^(\d{6}-\d{8}T\d{6}Z)\.(dump|json)$/;

/** The id of a backup that is taken now. */
export function backupId(release: string, now: Date): string {
  return `${release}-${now.toISOString().replaceAll(/[-:]|\.\d+/g, "")}`;
}

/**
 * Where a backup's dump is. The writer writes `<path>.part`, waits for the disk and
 * renames: what has no manifest yet counts as no backup.
 */
export function dumpPath(directory: string, id: string): string {
  return join(directory, "backups", `${id}.dump`);
}

/** Stores a backup's manifest, completely or not at all: after its dump, or when it is verified. */
export function keepBackup(directory: string, backup: Backup): void {
  const manifest = { format, ...backup };
  const key = readKey(directory);
  const sealed = key === undefined ? manifest : { ...manifest, seal: seal(key, manifest) };
  writeFile(manifestPath(directory, backup.id), `${JSON.stringify(sealed, null, 2)}\n`);
}

/**
 * What tells whether two machines have the same secret, whatever state they have; the secret itself,
 * of 128 bits or more, cannot be found by it.
 * @returns undefined where there is none
 */
export function fingerprint(secret: string | undefined): string | undefined {
  return secret
    ? createHmac("sha256", secret).update("letta-stack").digest("hex").slice(0, 16)
    : undefined;
}

/**
 * Whether this installation wrote a backup's manifest, as it stands; its dump is that one whose SHA-256
 * it names. What was copied back from elsewhere may have been changed there.
 */
export function isSealed(directory: string, id: string): boolean {
  const key = readKey(directory);
  if (key === undefined) return false;
  const { seal: found, ...manifest } = JSON.parse(
    readFileSync(manifestPath(directory, id), "utf8"),
  ) as Record<string, unknown>;
  return typeof found === "string" && isEqual(found, seal(key, manifest));
}

function seal(key: Buffer, manifest: object): string {
  return createHmac("sha256", key).update(JSON.stringify(manifest)).digest("hex");
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** All backups, and what looks like one and is not whole. Dumps are not read. */
export function readBackups(directory: string): Backups {
  const folder = join(directory, "backups");
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const ids = new Set(names.flatMap((name) => named.exec(name)?.[1] ?? []));
  const backups: Backup[] = [];
  const damaged: DamagedBackup[] = [];
  for (const id of [...ids].sort().reverse()) {
    const read = readBackup(directory, id);
    if (typeof read === "string") damaged.push({ id, why: read });
    else backups.push(read);
  }
  return { backups, damaged };
}

/** Removes a backup. Its manifest goes last: what is left half removed is seen. */
export function removeBackup(directory: string, id: string): void {
  rmSync(dumpPath(directory, id), { force: true });
  rmSync(manifestPath(directory, id), { force: true });
}

/** One backup; what is wrong with it where it is not whole. */
function readBackup(directory: string, id: string): Backup | string {
  if (!existsSync(manifestPath(directory, id))) return "its manifest is missing";
  const text = readFileSync(manifestPath(directory, id), "utf8");
  const judged = v.safeParse(v.pipe(v.string(), v.parseJson(), upgraded, schema), text);
  if (!judged.success) {
    const [issue] = judged.issues;
    return `${v.getDotPath(issue) ?? "its manifest"}: expected ${issue.expected ?? "JSON"}, got ${issue.received}`;
  }
  const { format: _, ...backup } = judged.output;
  if (backup.id !== id) return `expected id ${id}, got ${backup.id}`;
  const bytes = statSync(dumpPath(directory, id), { throwIfNoEntry: false })?.size;
  if (bytes === undefined) return "its dump is missing";
  return bytes === backup.bytes ? backup : `expected a dump of ${backup.bytes} bytes, got ${bytes}`;
}

function manifestPath(directory: string, id: string): string {
  return join(directory, "backups", `${id}.json`);
}

const dayMs = 86_400_000;

interface Keeping {
  /** How many of the newest stay whatever their age. */
  readonly keep: number;
  /** How old one must be to go. */
  readonly days: number;
  readonly now: Date;
  /** Ids of backups that a release needs for its rollback. */
  readonly needed: Iterable<string>;
}

/**
 * The backups that may go: beyond the count and older than the days, both. Never the newest,
 * never the newest that was verified, never one that is needed. Newest is known by the id's
 * counter, not by a clock that may have been wrong.
 */
export function chooseExpired(
  backups: readonly Backup[],
  { keep, days, now, needed }: Keeping,
): Backup[] {
  const newestFirst = backups.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const stay = new Set(needed);
  const verified = newestFirst.find((one) => one.verified !== null);
  if (verified) stay.add(verified.id);
  return newestFirst.slice(Math.max(1, keep)).filter((one) => {
    const age = now.getTime() - Date.parse(one.created);
    return age > days * dayMs && !stay.has(one.id);
  });
}

const pathOf = (directory: string, id: string) =>
  join(directory, "releases", id, "schema-before.json");

/**
 * Writes down the live database's schema, right before a release's migration begins on it. From then on the
 * migration may have begun; and what it has changed is known without a copy of the database.
 */
export function keepSchemaBefore(directory: string, id: string, schema: Schema): void {
  writeFile(pathOf(directory, id), `${JSON.stringify(schema)}\n`);
}

/** Undefined where the release's migration has not begun. */
export function schemaBefore(directory: string, id: string): Schema | undefined {
  const path = pathOf(directory, id);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Schema) : undefined;
}

/**
 * The newest verified backup whose schema is at these revisions: of those that this installation wrote,
 * where there is one.
 */
export function newestBackupAt(directory: string, heads: readonly string[]): Backup | undefined {
  const fitting = readBackups(directory).backups.filter(
    (one) => one.verified !== null && sameRevisions(one.revision, heads),
  );
  return fitting.find((one) => isSealed(directory, one.id)) ?? fitting[0];
}
