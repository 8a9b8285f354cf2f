import { estimateTables, type TableRows } from "./estimateTables.ts";
import type { Database, DatabaseServer } from "./sql.ts";
import { tableKeys } from "./tableKeys.ts";

/** What is known of one database's rows. */
export interface KnownRows {
  readonly tables: readonly TableRows[];
  /** Of the tables that were read, by table. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
}

/** What only a retained database has. */
export interface RetainedRows {
  /** The retained database's name. */
  readonly database: string;
  /** By table, as SQL writes its name; null where they could not be compared. */
  readonly rows: Readonly<Record<string, number>> | null;
  /** Tables of which only the numbers of rows were compared: there may be more. */
  readonly counted: readonly string[];
  /** Why they could not be compared. */
  readonly fault?: string;
}

/**
 * How many rows a retained database has that the live one lacks. Small tables are compared by their keys,
 * large ones by their numbers of rows. Takes seconds, whatever the size; where it cannot be compared that is
 * told instead.
 * @param retained the name of the database that was live before
 */
export async function rowsOnlyIn(server: DatabaseServer, retained: string): Promise<RetainedRows> {
  try {
    // Requests may be paused meanwhile, and each question to an external database starts a container.
    const both = [server.database(), server.database(retained)];
    const [live, former] = await Promise.all(both.map(knownRows));
    return compareKnown(retained, live!, former!);
  } catch (error) {
    return { database: retained, rows: null, counted: [], fault: (error as Error).message };
  }
}

async function knownRows(database: Database): Promise<KnownRows> {
  const [tables, keys] = await Promise.all([estimateTables(database), tableKeys(database)]);
  return { tables, keys };
}

/** The same, of what was found in both. Pure. */
export function compareKnown(retained: string, live: KnownRows, former: KnownRows): RetainedRows {
  const counts = new Map(live.tables.map((one) => [one.table, one.rows]));
  const counted: string[] = [];
  const missing: Record<string, number> = {};
  for (const { table, rows, isEstimate } of former.tables) {
    const [own, other] = [former.keys.get(table), live.keys.get(table)];
    let lacking = 0;
    if (own !== undefined && other !== undefined) {
      const there = new Set(other);
      lacking = own.filter((one) => !there.has(one)).length;
    } else if (rows !== 0 && !table.endsWith(".alembic_version")) {
      lacking = Math.max(0, (rows ?? 0) - (counts.get(table) ?? 0));
      if (counts.has(table) || isEstimate) counted.push(table);
    }
    if (lacking > 0) missing[table] = lacking;
  }
  return { database: retained, rows: missing, counted };
}

/** "3 rows are only in letta_retained_000004"; "" where there are none. */
export function retainedText({ database, rows, counted, fault }: RetainedRows): string {
  if (rows === null) return `how many rows are only in ${database} is not known: ${fault}`;
  const sum = Object.values(rows).reduce((all, one) => all + one, 0);
  const found = `${sum} ${sum === 1 ? "row is" : "rows are"} only in ${database}`;
  if (counted.length === 0) return sum === 0 ? "" : found;
  return `at least ${found}; of ${counted.join(", ")} only the numbers of rows were compared`;
}
