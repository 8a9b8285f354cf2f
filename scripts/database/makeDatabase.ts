import { Problem } from "../common/problem.ts";
import { alterAlone, alterDatabases } from "./alterDatabases.ts";
import { askRows } from "./askRows.ts";
import { commentStatement, databaseName, makingName, type Mark } from "./databaseNames.ts";
import {
  applyOwn,
  type DatabaseLocale,
  type DatabaseOwn,
  databaseOwnQuery,
  localeClause,
} from "./databaseOwn.ts";
import { quoteName, quoteText } from "./psqlClient.ts";
import { closedTo, ownClosed } from "./roles.ts";
import type { Session } from "./sessions.ts";
import { type DatabaseServer, interruptible, maintenance } from "./sql.ts";

interface NewDatabase {
  readonly mark: Mark;
  /** What follows the name in CREATE DATABASE. */
  readonly clause: string;
  /** The database that is copied. */
  readonly from?: string;
  /** Its own settings and grants. */
  readonly own?: Omit<DatabaseOwn, "locale">;
  /** The Problem's message where it cannot be made. */
  readonly failure: string;
  /** Ends it, also while it is copied; nothing of it is left. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a database that has its mark as soon as it has its name, and that the application may not
 * connect to.
 * @returns the sessions on the copied database that were ended
 * @throws Problem DATABASE_REFUSED, also where the name is taken
 */
async function makeDatabase(
  server: DatabaseServer,
  requested: NewDatabase,
): Promise<readonly Session[]> {
  const { mark, clause, from, own, failure, signal } = requested;
  const name = databaseName(server.name, mark);
  // CREATE DATABASE runs in no transaction, so a kill can leave a database without a mark. It is made
  // under a name that only this installation gives, where the next one is made and which is never needed.
  const roles = await server.roles();
  const making = makingName(server.name, mark.installation);
  const involved = [making, name, ...(from === undefined ? [] : [from])];
  const drop = `DROP DATABASE IF EXISTS ${quoteName(making)} WITH (FORCE);`;
  const statements = [
    "SET client_min_messages = warning;", // the notice that there is none is no failure
    drop,
    `CREATE DATABASE ${quoteName(making)} ${clause}${closedTo(roles)};`,
    ...(own === undefined ? [] : [applyOwn(making, ownClosed(roles, own))]),
    "BEGIN;",
    commentStatement(making, mark),
    `ALTER DATABASE ${quoteName(making)} RENAME TO ${quoteName(name)};`,
    "COMMIT;",
  ];
  const make = statements.join("\n");
  const working = interruptible(server, signal);
  try {
    if (from !== undefined) {
      return await alterAlone(working, { involved, alone: [from] }, make, failure);
    }
    await alterDatabases(working, involved, make, failure);
    return [];
  } catch (error) {
    await alterDatabases(server, [making], drop, failure).catch(() => undefined); // the next one drops it
    throw error;
  }
}

/**
 * Makes an empty database, without what the server's own template may have been given.
 * @param mark says whose it is, and gives the name
 * @param locale encoding and order of letters; the server's own where it is left out
 * @returns its name
 * @throws Problem DATABASE_REFUSED, also where the name is taken
 */
export async function createDatabase(
  server: DatabaseServer,
  mark: Mark,
  locale?: DatabaseLocale,
): Promise<string> {
  const name = databaseName(server.name, mark);
  const clause = ["TEMPLATE template0", ...(locale ? [localeClause(locale)] : [])].join(" ");
  await makeDatabase(server, { mark, clause, failure: `${name} could not be created` });
  return name;
}

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
 * is whole. Postgres wants to be alone with it for that: sessions on it are ended. A new Letta database takes
 * 0.3 s (a dump 0.2 s, a restore 0.5 s).
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
