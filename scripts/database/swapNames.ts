import { alterAlone } from "./alterAlone.ts";
import { databaseName } from "./databaseName.ts";
import { commentStatement, type Mark } from "./marks.ts";
import { giveDatabase } from "./giveObjects.ts";
import { quoteName } from "./quote.ts";
import { givers, handedOver, isAdministered } from "./roles.ts";
import type { Session } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

export interface Renaming {
  readonly from: string;
  /** What the database is from now on: gives its name too. */
  readonly to: Mark;
}

/**
 * Renames databases and marks them anew in one transaction: all of them, or none. Their settings go
 * with them. What becomes live is given to the application's role, what was live is closed to it.
 * Sessions on them are ended.
 * @param renamings in this order: the first frees the name for the second
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
  const roles = await server.roles();
  const isHandedOver =
    isAdministered(roles) && named.some(({ from, to }) => isLive(to) || from === server.name);
  const incoming = named.find(({ to }) => isLive(to))?.from;
  if (isHandedOver && incoming !== undefined) {
    await giveDatabase(server, incoming, roles.application, givers(roles));
  }
  const { before, after } = isHandedOver
    ? handedOver(roles, server.name, named)
    : { before: [], after: [] };
  const statements = named.flatMap(({ from, to, name }) => [
    commentStatement(from, to),
    `ALTER DATABASE ${quoteName(from)} RENAME TO ${quoteName(name)};`,
  ]);
  const pairs = named.map(({ from, name }) => `${from} to ${name}`).join(", ");
  const involved = named.flatMap(({ from, name }) => [from, name]);
  return alterAlone(
    server,
    { involved, alone: named.map(({ from }) => from) },
    ["BEGIN;", ...before, ...statements, ...after, "COMMIT"].join("\n"),
    `the databases could not be renamed (${pairs})`,
  );
}

function isLive({ purpose }: Mark): boolean {
  return purpose === "live";
}
