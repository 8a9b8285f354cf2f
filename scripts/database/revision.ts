import { Problem } from "../common/problem.ts";
import type { Database } from "./sql.ts";

/** SQLSTATE of a table that does not exist: a database no migration has seen yet. */
const undefinedTable = "42P01";

/**
 * The revisions that a database says it is at; none for one that was never migrated.
 * @param query the role's own, see x-app in compose/server.yaml
 * @throws Problem DATABASE_REFUSED where it does not answer
 */
export async function revision(database: Database, query: string): Promise<string[]> {
  const { rows, state, message } = await database.ask(query);
  if (state === undefinedTable) return [];
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", "the database does not tell its schema's revision", {
      details: [message],
    });
  }
  return rows.map((row) => row[0] ?? "");
}
