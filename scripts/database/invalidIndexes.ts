import { askRows } from "./askRows.ts";
import type { Database } from "./sql.ts";

/** Those of partitioned tables are left out: they wait for their parts and are none themselves. */
export const invalidIndexesQuery = `SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready) ORDER BY 1`;

/**
 * Indexes that a build which was cut off left behind: Postgres keeps them up and never uses
 * them, and `CREATE INDEX … IF NOT EXISTS` takes them for done.
 * @throws Problem DATABASE_REFUSED
 */
export async function invalidIndexes(database: Database): Promise<string[]> {
  const found = await askRows<{ name: string }>(database, invalidIndexesQuery, "its indexes");
  return found.map((one) => one.name);
}
