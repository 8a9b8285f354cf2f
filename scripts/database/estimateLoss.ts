import { askRows } from "./askRows.ts";
import { planCopy, type Place } from "./planCopy.ts";
import { quoteName } from "./quote.ts";
import type { Schema } from "./readSchema.ts";
import type { Database } from "./sql.ts";

/** A place that an older schema does not have, and how much is in it. */
export interface Loss extends Place {
  /** Of a table all rows; of a column those with a value. */
  readonly rows: number;
}

/**
 * What a live database holds that an older schema has no place for: what carrying its rows
 * there would lose. Counts only.
 * @throws Problem DATABASE_REFUSED
 */
export async function estimateLoss(
  database: Database,
  schemas: { readonly live: Schema; readonly old: Schema },
): Promise<Loss[]> {
  const { noPlace } = planCopy(schemas.old, schemas.live, []);
  if (noPlace.length === 0) return [];
  const counts = await askRows<{ place: number; rows: number }>(
    database,
    countPlaces(noPlace, schemas.live),
    "what an older schema has no place for",
  );
  return losses(noPlace, counts);
}

/** One query that counts what is in these places: none where there are none. */
export function countPlaces(places: readonly Place[], { tables }: Schema): string {
  const counted = places.map(({ table, column }, place) => {
    const what = column === undefined ? "*" : quoteName(column);
    const only = tables[table]!.partitioned ? "" : "ONLY ";
    return `SELECT ${place} AS place, count(${what}) AS rows FROM ${only}${table}`;
  });
  return counted.join("\nUNION ALL ") || "SELECT 0 AS place, 0 AS rows WHERE false";
}

/** The places with what countPlaces answered. */
export function losses(
  places: readonly Place[],
  counts: readonly { readonly place: number; readonly rows: number }[],
): Loss[] {
  const rows = new Map(counts.map((one) => [one.place, one.rows]));
  return places.map((place, index) => ({ ...place, rows: rows.get(index) ?? 0 }));
}
