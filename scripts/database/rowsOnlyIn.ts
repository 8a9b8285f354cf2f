import { estimateTables, type TableRows } from "./estimateTables.ts";
import type { Database, DatabaseServer } from "./sql.ts";
import { tableKeys } from "./tableKeys.ts";

/** What is known of one database's rows. */
export interface KnownRows {
  readonly tables: readonly TableRows[];
  /** Of the tables that were read, by table. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
}

/**
 * Tells how many rows a retained database has that the live one lacks: "3 rows are only in
 * letta_retained_000004". Small tables are compared by their keys, large ones by their numbers of rows.
 * Takes seconds, whatever the size.
 * @param retained the name of the database that was live before
 * @returns "" where it has none; where it cannot be compared it says so instead of failing
 */
export async function rowsOnlyIn(server: DatabaseServer, retained: string): Promise<string> {
  try {
    // Requests may be paused meanwhile, and each question to an external database starts a container.
    const both = [server.database(), server.database(retained)];
    const [live, former] = await Promise.all(both.map(knownRows));
    return describeRowsOnlyIn(retained, live!, former!);
  } catch (error) {
    return `how many rows are only in ${retained} is not known: ${(error as Error).message}`;
  }
}

async function knownRows(database: Database): Promise<KnownRows> {
  const [tables, keys] = await Promise.all([estimateTables(database), tableKeys(database)]);
  return { tables, keys };
}

/** The same, of what was found in both. Pure. */
export function describeRowsOnlyIn(retained: string, live: KnownRows, former: KnownRows): string {
  const counts = new Map(live.tables.map((one) => [one.table, one.rows]));
  const counted: string[] = [];
  let sum = 0;
  for (const { table, rows, isEstimate } of former.tables) {
    const [own, other] = [former.keys.get(table), live.keys.get(table)];
    if (own !== undefined && other !== undefined) {
      const there = new Set(other);
      sum += own.filter((one) => !there.has(one)).length;
      continue;
    }
    if (rows === 0 || table.endsWith(".alembic_version")) continue;
    sum += Math.max(0, (rows ?? 0) - (counts.get(table) ?? 0));
    if (counts.has(table) || isEstimate) counted.push(table);
  }
  const found = `${sum} ${sum === 1 ? "row is" : "rows are"} only in ${retained}`;
  if (counted.length === 0) return sum === 0 ? "" : found;
  return `at least ${found}; of ${counted.join(", ")} only the numbers of rows were compared`;
}
