import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { quoteName } from "./psqlClient.ts";
import type { Schema, Table } from "./schema.ts";
import type { Database } from "./sql.ts";

/** Alembic's own, whose rows say which schema this is: always the dump's. */
const versionTable = "alembic_version";

/** A table, or one column of it. */
export interface Place {
  readonly table: string;
  /** Without quotes; left out for a whole table. */
  readonly column?: string;
}

/** What of a live database goes into an older schema, and what does not. */
export interface CopyPlan {
  readonly copied: readonly {
    readonly table: string;
    /** As SQL writes them. */
    readonly columns: readonly string[];
  }[];
  /** Those that go on counting where the live database is. */
  readonly sequences: readonly string[];
  /** Tables that get the dump's rows. */
  readonly fromDump: readonly string[];
  /** What pg_restore is to fill, by schema: those tables, and sequences that only the dump has. */
  readonly restored: ReadonlyMap<string, readonly string[]>;
  /** What only the live schema has. */
  readonly noPlace: readonly Place[];
  /** What only the old schema has: it stays empty, or at its default. */
  readonly unfilled: readonly Place[];
}

/**
 * Compares an old schema with the live one for carrying rows back. Pure.
 * @param fromDump tables that the dump's rows are wanted for: `providers`, `letta.providers`
 * @throws Problem USAGE for one that the old schema does not have
 */
export function planCopy(old: Schema, live: Schema, fromDump: readonly string[]): CopyPlan {
  const requested = new Set([
    ...fromDump.map((name) => findTable(old, name)),
    ...Object.keys(old.tables).filter((key) => old.tables[key]!.name === versionTable),
  ]);
  const shared = (key: string) =>
    old.tables[key]!.columns.filter(
      (column) => !column.generated && has(live.tables[key]!, column.name),
    );
  const isCopied = (key: string) =>
    live.tables[key] !== undefined && !requested.has(key) && shared(key).length > 0;
  const both = Object.keys(old.tables).filter(isCopied);
  const onlyOld = Object.keys(old.tables).filter((key) => !isCopied(key) && !requested.has(key));
  const ofDump = old.sequences.filter((name) => !live.sequences.includes(name));
  return {
    copied: both.map((table) => ({
      table,
      columns: shared(table).map((column) => quoteName(column.name)),
    })),
    sequences: old.sequences.filter((name) => live.sequences.includes(name)),
    fromDump: [...requested],
    restored: bySchema([
      ...[...requested].map((key) => old.tables[key]!),
      ...ofDump.map((name) => unquoted(name)),
    ]),
    noPlace: [
      ...Object.keys(live.tables)
        .filter((key) => old.tables[key] === undefined || onlyOld.includes(key))
        .map((table) => ({ table })),
      ...both.flatMap((table) => missing(table, live, old)),
    ],
    unfilled: [
      ...onlyOld.map((table) => ({ table })),
      ...both.flatMap((table) => missing(table, old, live)),
    ],
  };
}

/** Columns of a table that the first schema has and the second has not; computed ones lose nothing. */
function missing(table: string, schema: Schema, other: Schema): Place[] {
  return schema.tables[table]!.columns.filter(
    (column) => !column.generated && !has(other.tables[table]!, column.name),
  ).map((column) => ({ table, column: column.name }));
}

function has(table: Table, column: string): boolean {
  return table.columns.some((one) => one.name === column);
}

function findTable({ tables }: Schema, input: string): string {
  const found = Object.keys(tables).filter((key) => {
    const { schema, name } = tables[key]!;
    return [key, name, `${schema}.${name}`].includes(input);
  });
  if (found.length === 1) return found[0]!;
  const names = Object.values(tables).map((table) => table.name);
  const near = didYouMean(input, names);
  throw new Problem("USAGE", `expected a table of the dump, got ${input}`, {
    details: found.length > 1 ? [`which of ${found.join(", ")}?`] : near ? [`${near}?`] : [],
  });
}

function bySchema(
  things: readonly { readonly schema: string; readonly name: string }[],
): ReadonlyMap<string, readonly string[]> {
  const schemas = new Map<string, string[]>();
  for (const { schema, name } of things) {
    schemas.set(schema, [...(schemas.get(schema) ?? []), name]);
  }
  return schemas;
}

/** `letta."Odd.seq"` in its two names. */
function unquoted(name: string): { schema: string; name: string } {
  const [schema = "", last = ""] = [...name.matchAll(/"((?:[^"]|"")*)"|([^".]+)/gu)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
  return { schema, name: last };
}

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
