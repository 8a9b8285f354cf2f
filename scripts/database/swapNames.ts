import { alterDatabases } from "./alterDatabases.ts";
import { quoteName } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * Renames databases in one transaction: all of them, or none. Their settings go with them.
 * @param names from and to, in this order: the first makes room for the second
 * @throws Problem DATABASE_REFUSED naming the sessions that are in the way
 */
export async function swapNames(
  server: DatabaseServer,
  names: readonly (readonly [from: string, to: string])[],
): Promise<void> {
  const renames = names.map(
    ([from, to]) => `ALTER DATABASE ${quoteName(from)} RENAME TO ${quoteName(to)};`,
  );
  const pairs = names.map((pair) => pair.join(" to ")).join(", ");
  await alterDatabases(
    server,
    names.flat(),
    ["BEGIN;", ...renames, "COMMIT"].join("\n"),
    `the databases could not be renamed (${pairs})`,
  );
}
