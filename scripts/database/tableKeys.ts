import { askRows } from "./askRows.ts";
import { openSnapshot, tablesOfPeople } from "./countTables.ts";
import type { Database } from "./sql.ts";

/** Tables up to this size are compared row by row: a few hundredths of a second each. */
const comparedBytes = 8e6;

/** The columns of a table's primary key, as SQL writes them. */
const keyColumns = `(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM pg_index i
  CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE i.indrelid = c.oid AND i.indisprimary)`;

/** One query over all small tables, which the server writes itself, into psql's variable `keys`. */
const keysScript = `SELECT coalesce(string_agg(
    format('SELECT %L AS table, array_agg(hashtextextended(ROW(%s)::text COLLATE "C", 0)::text) AS keys FROM %s%I.%I',
      format('%I.%I', nspname, relname), columns, CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, nspname, relname),
    ' UNION ALL '), 'SELECT NULL AS table WHERE false') AS keys
FROM (SELECT n.nspname, c.relname, c.relkind, ${keyColumns} AS columns FROM ${tablesOfPeople}
  AND c.relname <> 'alembic_version'
  AND (SELECT coalesce(sum(pg_relation_size(leaf.relid)), pg_relation_size(c.oid))
    FROM pg_partition_tree(c.oid) leaf) <= ${comparedBytes}) tables
WHERE columns IS NOT NULL \\gset
`;

/**
 * The primary keys of every small table that has one, each as a 64-bit hash, by the table's name as SQL
 * writes it. Takes seconds, whatever the size of the database.
 * @throws Problem DATABASE_REFUSED, also after five seconds, as when a table is locked
 */
export async function tableKeys(
  database: Database,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const limits = "SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '2s';";
  // Databases may differ in how they write a value.
  const notation = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC';";
  const found = await askRows<{ table: string; keys: string[] | null }>(
    database,
    ":keys",
    "the keys of its rows",
    `${openSnapshot}${limits}${notation}\n${keysScript}`,
  );
  return new Map(found.map(({ table, keys }) => [table, keys ?? []]));
}
