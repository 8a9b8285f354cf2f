import { alterDatabases } from "./alterDatabases.ts";
import { quoteName } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * Makes an empty database, without what the server's own template may have been given.
 * @param locale the clause of a DatabaseOwn; the server's own where it is left out
 * @throws Problem DATABASE_REFUSED, also where it exists
 */
export async function createDatabase(
  server: DatabaseServer,
  name: string,
  locale = "",
): Promise<void> {
  const statement = `CREATE DATABASE ${quoteName(name)} TEMPLATE template0 ${locale}`;
  await alterDatabases(server, [name], statement, `${name} could not be created`);
}
