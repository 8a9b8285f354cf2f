import { countTables } from "./countTables.ts";
import type { DumpSheet } from "./dump.ts";
import type { Database } from "./sql.ts";

/** A table that does not have as many rows as when it was dumped. */
export interface TableSince {
  readonly table: string;
  /** On the sheet; 0 for a table that is new since. */
  readonly dumped: number;
  /** 0 for a table that has gone. */
  readonly now: number;
  /** Rows written since, and perhaps more: deleted ones hide others, changed ones are not seen. */
  readonly atLeast: number;
}

/**
 * What was written since a dump, as far as counting tells: what restoring it would lose at
 * least.
 * @throws Problem DATABASE_REFUSED
 */
export async function rowsSince(
  database: Database,
  sheet: Pick<DumpSheet, "rows">,
): Promise<TableSince[]> {
  const present = await countTables(database);
  const tables = [...new Set([...Object.keys(sheet.rows), ...Object.keys(present)])].sort();
  return tables
    .map((table) => ({ table, dumped: sheet.rows[table] ?? 0, now: present[table] ?? 0 }))
    .filter(({ dumped, now }) => dumped !== now)
    .map((one) => ({ ...one, atLeast: Math.max(0, one.now - one.dumped) }));
}
