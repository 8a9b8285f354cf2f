import { alterAlone } from "./alterAlone.ts";
import { databaseName } from "./databaseName.ts";
import { commentStatement, type Mark } from "./marks.ts";
import { quoteName } from "./quote.ts";
import type { Session } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

export interface Renaming {
  readonly from: string;
  /** What the database is from now on: gives its name too. */
  readonly to: Mark;
}

/**
 * Renames databases and marks them anew in one transaction: all of them, or none. Their settings go
 * with them. Sessions on them are ended.
 * @param renamings in this order: the first makes room for the second
 * @returns the sessions that were ended
 * @throws Problem DATABASE_REFUSED naming the sessions that our role may not end
 */
export async function swapNames(
  server: DatabaseServer,
  renamings: readonly Renaming[],
): Promise<readonly Session[]> {
  const named = renamings.map(({ from, to }) => ({
    from,
    to,
    name: databaseName(server.name, to),
  }));
  const statements = named.flatMap(({ from, to, name }) => [
    commentStatement(from, to),
    `ALTER DATABASE ${quoteName(from)} RENAME TO ${quoteName(name)};`,
  ]);
  const pairs = named.map(({ from, name }) => `${from} to ${name}`).join(", ");
  const involved = named.flatMap(({ from, name }) => [from, name]);
  return alterAlone(
    server,
    { involved, alone: named.map(({ from }) => from) },
    ["BEGIN;", ...statements, "COMMIT"].join("\n"),
    `the databases could not be renamed (${pairs})`,
  );
}
