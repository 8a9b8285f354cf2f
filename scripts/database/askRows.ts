import { Problem } from "../common/problem.ts";
import type { Database } from "./sql.ts";

/**
 * Asks for rows as objects: as JSON, so that no value can be taken for the end of a column.
 * @param query one SELECT without a semicolon
 * @param description what could not be learnt, for the message: "the sessions of letta"
 * @param before statements that have to run first in the same session
 * @throws Problem DATABASE_REFUSED with Postgres' own words
 */
export async function askRows<Row>(
  database: Database,
  query: string,
  description: string,
  before = "",
): Promise<Row[]> {
  const input = `${before}\nSELECT pg_catalog.to_jsonb(asked) FROM (${query}\n) asked`;
  const { rows, state, message } = await database.ask(input);
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", `the database does not tell ${description}`, {
      details: [message],
    });
  }
  return rows.map((row) => JSON.parse(row.join("\u001f")) as Row);
}
