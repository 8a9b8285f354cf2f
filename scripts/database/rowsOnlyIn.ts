import { estimateTables } from "./estimateTables.ts";
import { compareRows } from "./rowsSince.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * Tells how many rows a retained database has that the live one lacks, as far as counting tells:
 * "3 rows are only in letta_retained_000004". Takes seconds, whatever the size.
 * @param retained the name of the database that was live before
 * @returns "" where it has none; where it cannot be counted it says so instead of failing
 */
export async function rowsOnlyIn(server: DatabaseServer, retained: string): Promise<string> {
  try {
    const live = await estimateTables(server.database());
    const counts = Object.fromEntries(live.map(({ table, rows }) => [table, rows ?? 0]));
    const more = compareRows(counts, await estimateTables(server.database(retained)));
    const rows = more.reduce((sum, one) => sum + one.atLeast, 0);
    if (rows === 0) return "";
    const isEstimate = [...live, ...more].some((one) => one.isEstimate);
    return `${isEstimate ? "about " : ""}${rows} rows are only in ${retained}`;
  } catch (error) {
    return `how many rows are only in ${retained} is not known: ${(error as Error).message}`;
  }
}
