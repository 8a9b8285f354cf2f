import { alterAlone } from "./alterAlone.ts";
import { quoteName } from "./quote.ts";
import type { Session } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * Renames databases in one transaction: all of them, or none. Their settings go with them.
 * Sessions on them are ended.
 * @param names from and to, in this order: the first makes room for the second
 * @returns the sessions that were ended
 * @throws Problem DATABASE_REFUSED naming the sessions that our role may not end
 */
export async function swapNames(
  server: DatabaseServer,
  names: readonly (readonly [from: string, to: string])[],
): Promise<readonly Session[]> {
  const renames = names.map(
    ([from, to]) => `ALTER DATABASE ${quoteName(from)} RENAME TO ${quoteName(to)};`,
  );
  const pairs = names.map((pair) => pair.join(" to ")).join(", ");
  return alterAlone(
    server,
    { involved: names.flat(), alone: names.map(([from]) => from) },
    ["BEGIN;", ...renames, "COMMIT"].join("\n"),
    `the databases could not be renamed (${pairs})`,
  );
}
