import type { DumpManifest } from "./dump.ts";
import { estimateTables, type TableRows } from "./estimateTables.ts";
import type { Database } from "./sql.ts";

/** A table that does not have as many rows as when it was dumped. */
export interface TableSince {
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
