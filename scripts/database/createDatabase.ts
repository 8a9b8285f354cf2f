import { databaseName } from "./databaseName.ts";
import { localeClause, type DatabaseLocale } from "./databaseOwn.ts";
import { makeDatabase } from "./makeDatabase.ts";
import type { Mark } from "./marks.ts";
import type { DatabaseServer } from "./sql.ts";

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
