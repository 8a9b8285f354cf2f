import { existsSync, readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { Problem } from "../common/problem.ts";
import { isScratch, nameTaken } from "../database/alterDatabases.ts";
import { databaseName, databases, type Mark } from "../database/databaseNames.ts";
import { login } from "../database/login.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Settings } from "../settings/readSettings.ts";
import { type Backup, fingerprint, isSealed } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { readReleases } from "../state/releases.ts";
import type { RunMarks } from "./nextRelease.ts";
import type { DatabaseStrategy } from "./planSchema.ts";
import { secretDigests } from "./prepareStack.ts";
import type { Target } from "./target.ts";

/**
 * What the server stored encrypted cannot be read under another key. The database's own mark counts
 * first, as it stays where the state is lost; then the last release's fingerprint; then its digest,
 * which tells as long as the state's key is the same.
 * @param marked the fingerprint that the live database is marked with
 * @returns whether anything shown which key it was
 * @throws Problem KEY_CHANGED
 */
export function assertSameKey(
  settings: Settings,
  present: Release | undefined,
  secretKey: Buffer | undefined,
  marked?: string,
): boolean {
  const name = "LETTA_ENCRYPTION_KEY";
  const known = marked ?? present?.encryptionKey;
  const before = known ?? (secretKey && present?.secrets[name]);
  if (before === undefined) return false;
  const key = settings.secrets.get(name);
  const now = known === undefined ? secretDigests(settings, secretKey!)(name) : fingerprint(key);
  if (now === before) return true;
  const what = now === undefined ? "is missing, unlike" : "is another one than";
  const where =
    marked === undefined ? `in release ${present!.id}` : "when the database last served";
  throw new Problem(
    "KEY_CHANGED",
    `${name} ${what} ${where}: stored credentials could not be decrypted`,
    {
      details: [`${settings.origin("LETTA_ENCRYPTION_KEY") || "nowhere set"}`],
      next: `put the previous key back into ${settings.secretsFile}`,
    },
  );
}

/**
 * Whether the database has another password than the release that serves was started with. Its
 * server cannot log in until it is replaced.
 */
export function hasNewPassword(
  settings: Settings,
  present: Release | undefined,
  secretKey: Buffer,
): boolean {
  const before = present?.secrets["LETTA_PG_PASSWORD"];
  const now = secretDigests(settings, secretKey)("LETTA_PG_PASSWORD");
  return before !== undefined && now !== undefined && now !== before;
}

/**
 * The password of now must open the database that is there: Postgres takes it only when it
 * makes its data directory.
 * @throws Problem DATABASE_REFUSED
 */
export async function assertPassword(
  settings: Settings,
  container: string | undefined,
  context: Context,
): Promise<void> {
  const password = settings.secrets.get("LETTA_PG_PASSWORD");
  if (container === undefined || password === undefined || settings.has("LETTA_PG_URI")) return;
  const user = settings.get("LETTA_PG_USER");
  const words = await login(context.engine, {
    container,
    password,
    user,
    name: settings.get("LETTA_PG_DB"),
  });
  if (words === undefined) return;
  throw new Problem("DATABASE_REFUSED", "LETTA_PG_PASSWORD does not open the database", {
    details: [words, settings.origin("LETTA_PG_PASSWORD")],
    next: `put the previous password back into ${settings.secretsFile}`,
  });
}

/**
 * Another major version does not read the data directory.
 * @throws Problem DATABASE_REFUSED
 */
export async function assertSameMajor(
  target: Target,
  server: DatabaseServer | undefined,
  changesPostgres: boolean,
  context: Context,
): Promise<void> {
  if (server === undefined || !changesPostgres || target.settings.has("LETTA_PG_URI")) return;
  const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const [input, reported] = await Promise.all([
    server.database().ask("SHOW server_version_num"),
    context.engine.run({ image, entrypoint: ["postgres", "--version"] }),
  ]);
  const runs = Math.floor(Number(input.rows[0]?.[0] ?? 0) / 10_000);
  const requested = Number(/(\d+)(\.\d+)?/.exec(reported.stdout)?.[1] ?? runs);
  if (runs === 0 || runs === requested) return;
  throw new Problem(
    "DATABASE_REFUSED",
    `expected PostgreSQL ${runs}, as the data is, got an image of ${requested}`,
    {
      details: [image],
      next: "set POSTGRES_IMAGE to one of the same major version; moving the data is a dump and a restore",
    },
  );
}

/**
 * A dump of the live database has to find space in the state directory. On the database's own volume, as far
 * as that is ours to see, so have its restored copy, the copy that is timed and a snapshot; or the backup
 * that is to become live, twice, alongside the copy that the dump is verified by. Where both are on one
 * disk, that has to have space for all.
 * @param backup the one that is to be restored or whose schema rows are copied into
 * @throws Problem DISK_TOO_SMALL
 */
export async function assertDiskFits(
  directory: string,
  server: DatabaseServer,
  backup?: Pick<Backup, "databaseBytes">,
): Promise<void> {
  const live = (await databases(server)).get(server.name)?.bytes ?? 0;
  const copies = live * 3;
  const restored = backup === undefined ? 0 : backup.databaseBytes * 2 + live;
  const { bavail, blocks, bsize } = await statfs(directory);
  const state = { path: directory, needed: live, free: bavail * bsize, total: blocks * bsize };
  const disk = await volumeDisk(server);
  const volume = disk && {
    ...disk,
    path: "the database's volume",
    needed: Math.max(copies, restored),
  };
  // Two disks of the same size to the byte are one disk, or so rare that the refusal is bearable.
  const isOne = volume !== undefined && volume.total === state.total;
  const places = isOne
    ? [{ ...state, path: `${directory} and ${volume.path}`, needed: live + volume.needed }]
    : [state, ...(volume === undefined ? [] : [volume])];
  for (const { path, needed, free } of places) {
    if (free >= needed) continue;
    throw new Problem(
      "DISK_TOO_SMALL",
      `${path}: expected ${(needed / 1e9).toFixed(2)} GB free for dump and copies, got ${(free / 1e9).toFixed(2)}`,
      { next: "docker system df" },
    );
  }
}

/**
 * The disk that the bundled database is on, in bytes. Asked where the files are: the engine, and so the
 * volume, may be on another machine.
 */
async function volumeDisk(
  server: DatabaseServer,
): Promise<{ readonly free: number; readonly total: number } | undefined> {
  if (server.place === "external") return undefined;
  const { rows } = await server.database().ask("SHOW data_directory");
  const reported = await server.client(server.name, ["df", "-PB1", rows[0]?.[0] ?? "/"]);
  const [, total, , free] = (reported.stdout.trim().split("\n").at(-1) ?? "")
    .split(/\s+/u)
    .map(Number);
  const isReported = reported.code === 0 && Number.isFinite(free) && Number.isFinite(total);
  return isReported ? { free: free!, total: total! } : undefined;
}

const verificationSchema = v.object({
  environment: v.literal("staging"),
  verified: v.array(v.object({ release: v.string(), images: v.array(v.string()) })),
});

/** What staging exports for prod: the image ids it has verified. */
export type StagingVerification = v.InferOutput<typeof verificationSchema>;

/** The images that an environment has verified, by release; for prod to look at. */
export function stagingVerification(directory: string): StagingVerification {
  // What did worse than the release before it is no recommendation, nor is what was not verified.
  const isVerified = ({ outcome, worse, unverified }: Release) =>
    outcome === "good" && worse === undefined && unverified === undefined;
  const good = readReleases(directory).filter(isVerified);
  return {
    environment: "staging",
    verified: good.map((one) => ({
      release: one.id,
      images: [...new Set(Object.values(one.services).map((service) => service.imageId))].sort(),
    })),
  };
}

/**
 * Whether staging has verified what prod is to run.
 * @returns a line for people; undefined where it has
 * @throws Problem STAGING_UNPROVEN where REQUIRE_STAGING is true
 */
export function assertStagingVerified(
  settings: Settings,
  images: readonly string[],
): string | undefined {
  if (settings.environment !== "prod") return undefined;
  const place = settings.get("STAGING_VERIFICATION");
  const path = isAbsolute(place) ? place : join(settings.root, place);
  const verification =
    place === ""
      ? stagingVerification(join(settings.stateDir, "staging"))
      : exportedVerification(path);
  const isVerified = verification?.verified.some((one) =>
    images.every((id) => one.images.includes(id)),
  );
  if (isVerified) return undefined;
  const line = verification
    ? "staging has not verified these images together"
    : `STAGING_VERIFICATION: expected a verification that staging exported, got none in ${path}`;
  if (settings.get("REQUIRE_STAGING") !== "true") return line;
  throw new Problem("STAGING_UNPROVEN", `${line}, and REQUIRE_STAGING is true`, {
    details: [...images],
    next: "npm run deploy:staging",
  });
}

/** What staging exported; undefined where that is missing or something else. */
function exportedVerification(path: string): StagingVerification | undefined {
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, "utf8");
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), verificationSchema), text);
  return read.success ? read.output : undefined;
}

/** What a run that changes the database may have to make or set aside, an automatic rollback included. */
export function namesNeeded(marks: RunMarks): Mark[] {
  const own = (["rehearsal", "verification", "incoming", "snapshot", "retained"] as const).map(
    marks,
  );
  const { release } = marks("retained");
  const next = String(Number(release) + 1).padStart(6, "0");
  return [...own, { ...marks("retained"), release: next }];
}

/**
 * Refuses databases that have the names a run needs, while nothing is touched: those that this
 * installation did not make for a run.
 * @throws Problem STATE_UNUSABLE naming each; DATABASE_REFUSED
 */
export async function assertNamesFree(
  server: DatabaseServer,
  needed: readonly Mark[],
): Promise<void> {
  const found = await databases(server);
  const taken = needed.flatMap((mark) => {
    const name = databaseName(server.name, mark);
    const there = found.get(name);
    const isFree = there === undefined || isScratch(there.mark, mark.installation);
    return isFree ? [] : [[name, there.mark] as const];
  });
  if (taken.length > 0) throw nameTaken(taken);
}

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
    `backup ${id}: expected an unchanged backup of this installation`,
    {
      details: ["it is from another installation or an earlier version, or it was changed"],
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
    `LETTA_ENCRYPTION_KEY differs from the key of backup ${id}: stored credentials could not be decrypted`,
    { next: `put the previous key back into ${settings.secretsFile}` },
  );
}
