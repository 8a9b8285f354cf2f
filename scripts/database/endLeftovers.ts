import { askRows } from "./askRows.ts";
import { makingName } from "./databaseName.ts";
import { maintenance } from "./maintenance.ts";
import { quoteText } from "./quote.ts";
import { applicationName, isLeftover, type DatabaseServer } from "./sql.ts";

/**
 * Ends the sessions that killed runs of this host have left on the live database, and what they still
 * copy: both go on in the server without their client, and are in the way of copies and migrations.
 * @returns how many
 * @throws Problem DATABASE_REFUSED
 */
export async function endLeftovers(server: DatabaseServer, installation: string): Promise<number> {
  const making = makingName(server.name, installation);
  const database = await maintenance(server, [server.name]);
  const found = await askRows<{ pid: number; application: string }>(
    database,
    `SELECT pid, application_name AS application FROM pg_stat_activity
      WHERE application_name LIKE ${quoteText(`${applicationName} %`)} AND pid <> pg_backend_pid()
      AND (datname = ${quoteText(server.name)} OR query LIKE ${quoteText(`%${making}%`)})`,
    `the sessions that killed runs left on ${server.name}`,
  );
  const left = found.filter(({ application }) => isLeftover(application));
  if (left.length === 0) return 0;
  const pids = left.map(({ pid }) => pid).join(", ");
  await database.ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE pid IN (${pids}) AND application_name LIKE ${quoteText(`${applicationName} %`)}`,
  );
  return left.length;
}
