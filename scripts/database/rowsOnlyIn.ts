import { estimateTables, type TableRows } from "./estimateTables.ts";
import type { Database, DatabaseServer } from "./sql.ts";
import { tableKeys, type TableKeys } from "./tableKeys.ts";

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
