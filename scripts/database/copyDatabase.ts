import { alterDatabases } from "./alterDatabases.ts";
import { askRows } from "./askRows.ts";
import { applyOwn, databaseOwn, databaseOwnQuery, type RawDatabaseOwn } from "./databaseOwn.ts";
import { dropScratch } from "./dropScratch.ts";
import { maintenance } from "./maintenance.ts";
import { quoteName, quoteText } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * Copies a database within its server, with its own settings and grants. Postgres wants to
 * be alone with it for that, and waits five seconds for others to go.
 * @param to a name of scratchName that does not exist yet
 * @throws Problem DATABASE_REFUSED naming the sessions that are in the way
 */
export async function copyDatabase(
  server: DatabaseServer,
  from: string,
  to: string,
): Promise<void> {
  const failure = `${from} could not be copied`;
  const copy = `CREATE DATABASE ${quoteName(to)} TEMPLATE ${quoteName(from)}`;
  await alterDatabases(server, [from, to], copy, failure);
  try {
    const [row] = await askRows<{ own: RawDatabaseOwn }>(
      await maintenance(server, [from, to]),
      `SELECT ${databaseOwnQuery(quoteText(from))} AS own`,
      `the settings of ${from}`,
    );
    const { settings } = databaseOwn(row!.own);
    await alterDatabases(server, [from, to], applyOwn(to, settings), failure);
  } catch (error) {
    await dropScratch(server, to);
    throw error;
  }
}
