import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { addAbortSignal, Readable } from "node:stream";
import { Problem } from "../common/problem.ts";
import { createDatabase } from "./makeDatabase.ts";
import { applyOwn, type DatabaseOwn } from "./databaseOwn.ts";
import { dropScratch } from "./alterDatabases.ts";
import type { DumpManifest } from "./dump.ts";
import { type DatabaseServer, interruptible } from "./sql.ts";
import type { Mark } from "./databaseNames.ts";
import { postgresWords, retryWhenFull } from "./psqlClient.ts";
import { ownClosed } from "./roles.ts";

/** A dump in a file of the host, and its manifest. */
export interface DumpFile {
  readonly path: string;
  /** Called with how much of the file pg_restore has read, as it goes. */
  readonly onBytes?: (read: number) => void;
  readonly manifest: Pick<DumpManifest, "sha256" | "bytes" | keyof DatabaseOwn>;
}

/**
 * Restores a dump into a database made for it, which is dropped again where that fails.
 * Objects belong to the role that restores, as it is the one that will serve: a role of
 * another machine need not exist here. Grants stay as they were.
 * @param mark says whose the new database is, and gives its name
 * @param signal ends it; nothing of the new database is left
 * @throws Problem BACKUP_DAMAGED where the file is not what was dumped, DATABASE_REFUSED
 */
export async function restoreDump(
  server: DatabaseServer,
  dump: DumpFile,
  mark: Mark,
  signal?: AbortSignal,
): Promise<void> {
  await checkDump(dump, signal);
  const into = await createDatabase(server, mark, dump.manifest.locale);
  const working = interruptible(server, signal);
  try {
    await pgRestore(working, into, dump.path, [], dump.onBytes);
    await finishDatabase(working, into, dump.manifest);
  } catch (error) {
    await dropScratch(server, mark);
    throw error;
  }
}

/**
 * Reads a dump to its end and puts it nowhere: whether pg_restore understands all of it.
 * @param signal ends it
 * @throws Problem BACKUP_DAMAGED; the signal's reason
 */
export async function readDump(
  server: DatabaseServer,
  dump: DumpFile,
  signal: AbortSignal,
): Promise<void> {
  await checkDump(dump, signal);
  const stdin = Readable.from(
    readReported(dump.path, () => undefined),
    { objectMode: false },
  );
  // This client has no session that could be ended, but it ends with its input.
  addAbortSignal(signal, stdin);
  const argv = ["pg_restore", "--file=/dev/null"];
  const { code, stderr } = await server
    .client(server.name, argv, { stdin })
    .finally(() => signal.throwIfAborted());
  if (code !== 0) throw damaged(dump.path, postgresWords(stderr).words);
}

/**
 * Whether a dump is byte for byte what was written.
 * @throws Problem BACKUP_DAMAGED
 */
export async function checkDump({ path, manifest }: DumpFile, signal?: AbortSignal): Promise<void> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      signal?.throwIfAborted();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw damaged(path, [(error as Error).message]);
  }
  if (bytes !== manifest.bytes) {
    throw damaged(path, [`expected ${manifest.bytes} bytes, got ${bytes}`]);
  }
  const sha256 = hash.digest("hex");
  if (sha256 === manifest.sha256) return;
  throw damaged(path, [`expected the SHA-256 ${manifest.sha256}, got ${sha256}`]);
}

/**
 * An HNSW index is built several times faster where its graph fits in maintenance_work_mem (pgvector's
 * README). Parallel builds need as much of /dev/shm, which the container has not.
 */
const restoreOptions =
  "-c synchronous_commit=off -c maintenance_work_mem=256MB -c max_parallel_maintenance_workers=0";

async function* readReported(path: string, onBytes: (read: number) => void) {
  let read = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    onBytes((read += chunk.length));
    yield chunk;
  }
}

/**
 * Feeds a dump to pg_restore.
 * @param flags what of it, such as --section=pre-data
 * @throws Problem DATABASE_REFUSED with its words
 */
export async function pgRestore(
  server: DatabaseServer,
  into: string,
  path: string,
  flags: readonly string[] = [],
  onBytes: (read: number) => void = () => undefined,
): Promise<void> {
  const argv = ["pg_restore", "--exit-on-error", "--no-owner", "--no-password", "--dbname="];
  const restore = () =>
    server.client(into, [...argv, ...flags], {
      stdin: Readable.from(readReported(path, onBytes), { objectMode: false }),
      // The first user of the new database commits, and that brings all before it to the disk.
      environment: { PGOPTIONS: restoreOptions },
    });
  const { code, stderr } = await retryWhenFull(restore, (ran) => ran.stderr);
  if (code === 0) return;
  throw new Problem("DATABASE_REFUSED", `the dump could not be restored into ${into}`, {
    details: postgresWords(stderr).words,
  });
}

/**
 * Gives a filled database its statistics and what is its own.
 * @throws Problem DATABASE_REFUSED
 */
export async function finishDatabase(
  server: DatabaseServer,
  name: string,
  own: Omit<DatabaseOwn, "locale">,
): Promise<void> {
  // Its own settings come last: one of them may make it read-only.
  const settings = applyOwn(name, ownClosed(await server.roles(), own));
  const { state, message } = await server.database(name).ask(`ANALYZE;\n${settings}`);
  if (state === "") return;
  throw new Problem("DATABASE_REFUSED", `${name} could not be given its own settings`, {
    details: [message],
  });
}

function damaged(path: string, details: readonly string[]): Problem {
  return new Problem("BACKUP_DAMAGED", `${path} is not what was dumped`, { details });
}
