import { askRows } from "./askRows.ts";
import { estimateTables, openSnapshot, type TableRows, tablesOfPeople } from "./countTables.ts";
import type { DumpManifest } from "./dump.ts";
import type { Database, DatabaseServer } from "./sql.ts";

/** What is known of one database's rows. */
export interface KnownRows {
  readonly tables: readonly TableRows[];
  /** Of the tables that were read, by table. */
  readonly keys: ReadonlyMap<string, TableKeys>;
}

/** What only a retained database has. */
export interface RetainedRows {
  /** The retained database's name. */
  readonly database: string;
  /** By table, as SQL writes its name; null where they could not be compared. */
  readonly rows: Readonly<Record<string, number>> | null;
  /** Rows that both have, with other contents, by table; null where they could not be compared. */
  readonly changed: Readonly<Record<string, number>> | null;
  /** Tables of which only the numbers of rows were compared: there may be more. */
  readonly counted: readonly string[];
  /** Tables of which the keys were compared, and the contents of rows that both have were not. */
  readonly unread: readonly string[];
  /** Why they could not be compared. */
  readonly fault?: string;
}

/**
 * How many rows a retained database has that the live one lacks, or has with other contents. Small tables are
 * compared by their keys and contents, large ones by their numbers of rows. Takes seconds, whatever the size;
 * where it cannot be compared that is reported instead.
 * @param retained the name of the database that was live before
 */
export async function rowsOnlyIn(server: DatabaseServer, retained: string): Promise<RetainedRows> {
  try {
    // Requests may be paused meanwhile, and each question to an external database starts a container.
    const both = [server.database(), server.database(retained)];
    const [live, previous] = await Promise.all(both.map(knownRows));
    return compareKnown(retained, live!, previous!);
  } catch (error) {
    const fault = (error as Error).message;
    return { database: retained, rows: null, changed: null, counted: [], unread: [], fault };
  }
}

async function knownRows(database: Database): Promise<KnownRows> {
  const [tables, keys] = await Promise.all([estimateTables(database), tableKeys(database)]);
  return { tables, keys };
}

/** The same, of what was found in both. Pure. */
export function compareKnown(retained: string, live: KnownRows, previous: KnownRows): RetainedRows {
  const counts = new Map(live.tables.map((one) => [one.table, one.rows]));
  const counted: string[] = [];
  const unread: string[] = [];
  const missing: Record<string, number> = {};
  const changed: Record<string, number> = {};
  for (const { table, rows, isEstimate } of previous.tables) {
    const [own, other] = [previous.keys.get(table), live.keys.get(table)];
    let lacking = 0;
    if (own !== undefined && other !== undefined) {
      const there = new Set(other.keys);
      lacking = own.keys.filter((one) => !there.has(one)).length;
      const differing = changedRows(own, other);
      if (differing === undefined && lacking < own.keys.length) unread.push(table);
      if (differing) changed[table] = differing;
    } else if (rows !== 0 && !table.endsWith(".alembic_version")) {
      lacking = Math.max(0, (rows ?? 0) - (counts.get(table) ?? 0));
      if (counts.has(table) || isEstimate) counted.push(table);
    }
    if (lacking > 0) missing[table] = lacking;
  }
  return { database: retained, rows: missing, changed, counted, unread };
}

/** How many rows have the same key and other contents; undefined where that was not read. */
function changedRows(own: TableKeys, other: TableKeys): number | undefined {
  if (!own.columns || !own.contents || !other.columns || !other.contents) return undefined;
  const there = other.columns;
  // A column of another type writes the same value in another way.
  const places = own.columns.flatMap((column, place) =>
    there.includes(column) ? [[place, there.indexOf(column)] as const] : [],
  );
  if (places.length === 0) return undefined;
  const contents = new Map(other.keys.map((key, row) => [key, other.contents![row]!]));
  return own.keys.filter((key, row) => {
    const [previous, live] = [own.contents![row]!, contents.get(key)];
    return live !== undefined && places.some(([mine, theirs]) => previous[mine] !== live[theirs]);
  }).length;
}

/**
 * "3 rows are only in letta_retained_000004; 1 row has other contents there"; "" where both databases have the
 * same rows, as far as they were compared in full.
 */
export function retainedText(found: RetainedRows): string {
  const { database, rows, changed, counted, unread, fault } = found;
  if (rows === null) {
    return `how many rows are only in ${database}, or changed there, is not known: ${fault}`;
  }
  const [sum, differing] = [sumOf(rows), sumOf(changed ?? {})];
  const only = `${sum} ${sum === 1 ? "row is" : "rows are"} only in ${database}`;
  const other = `${differing} ${differing === 1 ? "row has" : "rows have"} other contents in ${database}`;
  return [
    ...(counted.length > 0 ? [`at least ${only}`] : sum > 0 ? [only] : []),
    ...(differing > 0 ? [other] : []),
    ...(counted.length > 0
      ? [`of ${counted.join(", ")} only the numbers of rows were compared`]
      : []),
    ...(unread.length > 0
      ? [`changes to rows that both have were not compared in ${unread.join(", ")}`]
      : []),
  ].join("; ");
}

function sumOf(rows: Readonly<Record<string, number>>): number {
  return Object.values(rows).reduce((all, one) => all + one, 0);
}

/** Tables up to this size are compared row by row: a few hundredths of a second each. */
const comparedBytes = 8e6;

/** Contents are read up to this sum, smallest tables first, values stored out of line included. */
const contentBytes = 24e6;

/** The rows of one table, by hashes. */
interface TableKeys {
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
async function tableKeys(database: Database): Promise<ReadonlyMap<string, TableKeys>> {
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

/** A table that does not have as many rows as when it was dumped. */
interface TableSince {
  readonly table: string;
  /** In the manifest; 0 for a table that is new since. */
  readonly dumped: number;
  /** 0 for a table that has gone; null where it is not known. */
  readonly now: number | null;
  /** Rows written since, and perhaps more: deleted ones hide others, changed ones are not seen. */
  readonly atLeast: number;
  /** Whether `now`, and so `atLeast`, is Postgres' estimate. */
  readonly isEstimate: boolean;
}

/**
 * What was written since a dump, as far as counting tells: what restoring it would lose at
 * least. Takes seconds, whatever the size.
 * @throws Problem DATABASE_REFUSED
 */
export async function rowsSince(
  database: Database,
  manifest: Pick<DumpManifest, "rows">,
): Promise<TableSince[]> {
  return compareRows(manifest.rows, await estimateTables(database));
}

/** The tables whose rows differ from what was dumped, or may. Pure. */
export function compareRows(
  dumped: Readonly<Record<string, number>>,
  present: readonly TableRows[],
): TableSince[] {
  const now = new Map(present.map((one) => [one.table, one]));
  const tables = [...new Set([...Object.keys(dumped), ...now.keys()])].sort();
  return tables
    .map((table) => ({ table, dumped: dumped[table] ?? 0, found: now.get(table) }))
    .map(({ found, ...one }) => ({
      ...one,
      now: found === undefined ? 0 : found.rows,
      isEstimate: found?.isEstimate ?? false,
    }))
    .filter((one) => one.now !== one.dumped)
    .map((one) => ({ ...one, atLeast: Math.max(0, (one.now ?? one.dumped) - one.dumped) }));
}

/**
 * Lines that tell what a restore would lose: the sum, then table by table. Estimates are called that.
 * @param created when the backup was taken
 */
export function describeLoss(since: readonly TableSince[], created: string): string[] {
  const written = since.filter((one) => one.atLeast > 0);
  const sum = written.reduce((all, one) => all + one.atLeast, 0);
  const unknown = since.filter((one) => one.now === null);
  const how = written.some((one) => one.isEstimate) ? "about" : "at least";
  const line = (one: TableSince) =>
    `  ${one.table}: ${one.dumped} then, ${one.isEstimate ? "about " : ""}${one.now} now`;
  return [
    `restore would lose ${how} ${sum} rows written since ${created}:`,
    ...written.map(line),
    ...unknown.map((one) => `  ${one.table}: ${one.dumped} then, now not known (never analyzed)`),
  ];
}
