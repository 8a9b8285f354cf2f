import { askRows } from "./askRows.ts";
import { openSnapshot, tablesOfPeople } from "./countTables.ts";
import type { Database } from "./sql.ts";

/** Tables up to this size are compared row by row: a few hundredths of a second each. */
const comparedBytes = 8e6;

/** Contents are read up to this sum, smallest tables first, values stored out of line included. */
const contentBytes = 24e6;

/** The rows of one table, by hashes. */
export interface TableKeys {
  /** Of each row's primary key, 64 bits. */
  readonly keys: readonly string[];
  /** Each column with its type: "title text"; null where the contents were not read. */
  readonly columns: readonly string[] | null;
  /** Of each row, in the order of `keys`, a 32-bit hash of each column's value. */
  readonly contents: readonly (readonly number[])[] | null;
}

/** The columns of a table's primary key, as SQL writes them. */
const keyColumns = `(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM pg_index i
  CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE i.indrelid = c.oid AND i.indisprimary)`;

/** Something of each column of a table, in their order. */
const ofColumns = (expression: string, separator: string) =>
  `(SELECT string_agg(${expression}, '${separator}' ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;
const columnNames = ofColumns(
  "quote_literal(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)))",
  ", ",
);
const columnHashes = ofColumns(`format('hashtext(ROW(%I)::text COLLATE "C")', a.attname)`, ", ");

/** One query over all small tables, which the server writes itself, into psql's variable `keys`. */
const keysScript = `SELECT coalesce(string_agg(
    format('SELECT %L AS table, array_agg(hashtextextended(ROW(%s)::text COLLATE "C", 0)::text) AS keys, %s FROM %s%I.%I',
      format('%I.%I', nspname, relname), key, CASE WHEN content_so_far <= ${contentBytes}
        THEN format('ARRAY[%s]::text[] AS columns, array_agg(ARRAY[%s]) AS contents', names, hashes)
        ELSE 'NULL::text[] AS columns, NULL::int[] AS contents' END,
      CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, nspname, relname),
    ' UNION ALL '), 'SELECT NULL AS table WHERE false') AS keys
FROM (SELECT *, sum(content) OVER (ORDER BY content, nspname, relname) AS content_so_far
  FROM (SELECT c.*, ${keyColumns} AS key, ${columnNames} AS names, ${columnHashes} AS hashes,
      size.bytes, size.content
    FROM (SELECT c.oid, c.relname, c.relkind, n.nspname FROM ${tablesOfPeople}
      AND c.relname <> 'alembic_version') c
    CROSS JOIN LATERAL (SELECT coalesce(sum(pg_relation_size(leaf.relid)), pg_relation_size(c.oid)) AS bytes,
      coalesce(sum(pg_table_size(leaf.relid)), pg_table_size(c.oid)) AS content
      FROM pg_partition_tree(c.oid) leaf) size) known
  WHERE key IS NOT NULL AND bytes <= ${comparedBytes}) tables \\gset
`;

/**
 * The rows of every small table that has a primary key, by the table's name as SQL writes it. Takes
 * seconds, whatever the size of the database.
 * @throws Problem DATABASE_REFUSED, also after five seconds, as when a table is locked
 */
export async function tableKeys(database: Database): Promise<ReadonlyMap<string, TableKeys>> {
  const limits = "SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '2s';";
  // Databases may differ in how they write a value.
  const notation = `SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC';
SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1;`;
  const found = await askRows<
    { [Key in keyof TableKeys]: TableKeys[Key] | null } & { table: string }
  >(
    database,
    ":keys",
    "the keys of its rows",
    `${openSnapshot}${limits}${notation}\n${keysScript}`,
  );
  return new Map(
    found.map(({ table, keys, columns, contents }) => [
      table,
      { keys: keys ?? [], columns, contents: columns && (contents ?? []) },
    ]),
  );
}
