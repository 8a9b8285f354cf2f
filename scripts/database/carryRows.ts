import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { countTables } from "./countTables.ts";
import { createDatabase } from "./createDatabase.ts";
import type { DumpSheet } from "./dump.ts";
import { dropScratch } from "./dropScratch.ts";
import { interruptible } from "./interruptible.ts";
import type { Mark } from "./marks.ts";
import { planCarry, type Place } from "./planCarry.ts";
import { pourRows } from "./pourRows.ts";
import { readSchema } from "./readSchema.ts";
import { checkDump, finishDatabase, pgRestore, type DumpFile } from "./restoreDump.ts";
import type { DatabaseServer } from "./sql.ts";
import type { Loss } from "./wouldLose.ts";

export interface CarryAsked {
  /** The live database; nobody should write to it any longer. */
  readonly from: string;
  readonly dump: DumpFile & { readonly sheet: Pick<DumpSheet, "rows"> };
  /** Says whose the new database is, and gives its name. */
  readonly mark: Mark;
  /** Tables that get the dump's rows instead of the present ones. */
  readonly fromDump: readonly string[];
  /** Told how many bytes of rows were copied, as it goes. */
  readonly onBytes?: (copied: number) => void;
  /** Ends it; nothing of the new database is left. */
  readonly signal?: AbortSignal | undefined;
}

export interface Carried {
  /** Rows by table. */
  readonly copied: Readonly<Record<string, number>>;
  /** The same for the tables that have the dump's rows; Alembic's own is always among them. */
  readonly fromDump: Readonly<Record<string, number>>;
  /** What the old schema has no place for: lost in the new database. */
  readonly noPlace: readonly Loss[];
  /** What only the old schema has: empty, or at its default. */
  readonly unfilled: readonly Place[];
}

/**
 * Makes a database of a dump's schema with the rows of now, for every table and column that
 * both know. Indexes and foreign keys are made last, so that Postgres itself proves that all
 * rows fit. The live database is only read; the new one is dropped again where this fails.
 * @throws Problem BACKUP_DAMAGED; USAGE for a table that the dump does not have;
 *   DATABASE_REFUSED with Postgres' own words where a row does not fit
 */
export async function carryRows(server: DatabaseServer, asked: CarryAsked): Promise<Carried> {
  const { from, dump, mark, signal } = asked;
  const { path, sheet } = dump;
  await checkDump(dump, signal);
  await refuseLargeObjects(server, from);
  const into = await createDatabase(server, mark, sheet.locale);
  const working = interruptible(server, signal);
  try {
    await pgRestore(working, into, path, ["--section=pre-data"]);
    const [live, old] = await Promise.all(
      [from, into].map((name) => readSchema(working.database(name))),
    );
    const plan = planCarry(old!, live!, asked.fromDump);
    const poured = await pourRows(working, from, into, plan, live!, asked.onBytes);
    for (const [schema, names] of plan.restored) {
      const tables = names.map((name) => `--table=${name}`);
      await pgRestore(working, into, path, ["--section=data", `--schema=${schema}`, ...tables]);
    }
    await pgRestore(working, into, path, ["--section=post-data"]);
    const ofDump = plan.fromDump.map((table) => [table, sheet.rows[table] ?? 0] as const);
    const fromDump = Object.fromEntries(ofDump);
    await proveRows(working, into, { ...poured.rows, ...fromDump });
    await finishDatabase(working, into, sheet);
    return { copied: poured.rows, fromDump, noPlace: poured.noPlace, unfilled: plan.unfilled };
  } catch (error) {
    await dropScratch(server, mark);
    throw error;
  }
}

/**
 * Large objects belong to no table, and are not copied with rows that name them: nor would they be
 * missed by any count.
 */
async function refuseLargeObjects(server: DatabaseServer, from: string): Promise<void> {
  const [found] = await askRows<{ objects: number }>(
    server.database(from),
    "SELECT count(*) AS objects FROM pg_largeobject_metadata",
    "its large objects",
  );
  if (found === undefined || found.objects === 0) return;
  throw new Problem(
    "DATABASE_REFUSED",
    `${from}: expected no large objects, got ${found.objects}`,
    {
      details: ["rows are copied without them; keep, downgrade and restore include them"],
    },
  );
}

async function proveRows(
  server: DatabaseServer,
  into: string,
  expected: Readonly<Record<string, number>>,
): Promise<void> {
  const found = await countTables(server.database(into));
  const details = Object.entries(expected)
    .filter(([table, rows]) => found[table] !== rows)
    .map(([table, rows]) => `${table}: expected ${rows} rows, got ${found[table] ?? 0}`);
  if (details.length === 0) return;
  throw new Problem("DATABASE_REFUSED", "not all rows have arrived", { details });
}
