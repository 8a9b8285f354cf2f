import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { databaseOwnQuery, type DatabaseOwn } from "./databaseOwn.ts";
import { maintenance } from "./maintenance.ts";
import { makeDatabase } from "./makeDatabase.ts";
import type { Mark } from "./marks.ts";
import { quoteName, quoteText } from "./quote.ts";
import type { Session } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

/** From this size on copying files is faster than copying blocks through the WAL. */
const fileCopyBytes = 100e6;

/** Postgres has had a choice of strategies since 15. */
const strategiesSince = 150_000;

/**
 * How Postgres is to copy a database. FILE_COPY writes the files once and next to no WAL, but forces a
 * checkpoint of the whole server before and after it: measured at 2.8 GB it took 14 s where WAL_LOG took
 * 49 s, at 0.1 GB 0.4 s and 0.6 s, at 8 MB 0.5 s more. A server outside is not only ours: its checkpoints
 * and replicas stay as its operator meant them.
 */
export function chooseCopyStrategy(
  place: DatabaseServer["place"],
  { bytes, version }: { readonly bytes: number; readonly version: number },
): "" | " STRATEGY FILE_COPY" {
  const isBetter = place === "bundled" && version >= strategiesSince && bytes >= fileCopyBytes;
  return isBetter ? " STRATEGY FILE_COPY" : "";
}

/**
 * Writes out what the bundled server holds in memory, so that the checkpoint that a copy forces is short.
 * Copying is right without it, so a refusal is none of ours.
 */
export async function checkpoint(server: DatabaseServer): Promise<void> {
  if (server.place === "bundled") await (await maintenance(server)).ask("CHECKPOINT");
}

/**
 * Copies a database within its server, with its own settings and grants; what has the copy's mark
 * is whole. Postgres wants to be alone with it for that: sessions on it are ended.
 * @param mark says whose the copy is, and gives its name
 * @param signal ends it; nothing of the copy is left
 * @returns the sessions that were ended
 * @throws Problem DATABASE_REFUSED naming the sessions that our role may not end
 */
export async function copyDatabase(
  server: DatabaseServer,
  from: string,
  mark: Mark,
  signal?: AbortSignal,
): Promise<readonly Session[]> {
  const failure = `${from} could not be copied`;
  const [facts] = await askRows<{ bytes: number; version: number; own: DatabaseOwn }>(
    await maintenance(server, [from]),
    `SELECT pg_database_size(oid) AS bytes, current_setting('server_version_num')::int AS version,
      ${databaseOwnQuery(quoteText(from))} AS own
      FROM pg_database WHERE datname = ${quoteText(from)}`,
    `the size of ${from}`,
  );
  if (facts === undefined) throw new Problem("DATABASE_REFUSED", `${failure}: it does not exist`);
  const clause = `TEMPLATE ${quoteName(from)}${chooseCopyStrategy(server.place, facts)}`;
  return makeDatabase(server, { mark, clause, from, own: facts.own, failure, signal });
}
