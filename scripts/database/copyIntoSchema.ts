import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { countTables } from "./countTables.ts";
import { createDatabase } from "./createDatabase.ts";
import type { DumpManifest } from "./dump.ts";
import { dropScratch } from "./dropScratch.ts";
import { interruptible } from "./interruptible.ts";
import type { Mark } from "./marks.ts";
import { planCopy, type Place } from "./planCopy.ts";
import { copyRows } from "./copyRows.ts";
import { readSchema } from "./readSchema.ts";
import { checkDump, finishDatabase, pgRestore, type DumpFile } from "./restoreDump.ts";
import type { DatabaseServer } from "./sql.ts";
import type { Loss } from "./estimateLoss.ts";

export interface CopyInput {
  /** The live database; it should get no more writes. */
  readonly from: string;
  readonly dump: DumpFile & { readonly manifest: Pick<DumpManifest, "rows"> };
  /** Says whose the new database is, and gives its name. */
  readonly mark: Mark;
  /** Tables that get the dump's rows instead of the present ones. */
  readonly fromDump: readonly string[];
  /** Reported how many bytes of rows were copied, as it goes. */
  readonly onBytes?: (copied: number) => void;
  /** Ends it; nothing of the new database is left. */
  readonly signal?: AbortSignal | undefined;
}

export interface CopiedRows {
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
 * both know. Indexes and foreign keys are made last, so that Postgres itself checks that all
 * rows fit. The live database is only read; the new one is dropped again where this fails.
 * @throws Problem BACKUP_DAMAGED; USAGE for a table that the dump does not have;
 *   DATABASE_REFUSED with Postgres' own words where a row does not fit
 */
export async function copyIntoSchema(
  server: DatabaseServer,
  input: CopyInput,
): Promise<CopiedRows> {
  const { from, dump, mark, signal } = input;
  const { path, manifest } = dump;
  await checkDump(dump, signal);
  await assertNoLargeObjects(server, from);
  const into = await createDatabase(server, mark, manifest.locale);
  const working = interruptible(server, signal);
  try {
    await pgRestore(working, into, path, ["--section=pre-data"]);
    const [live, old] = await Promise.all(
      [from, into].map((name) => readSchema(working.database(name))),
    );
    const plan = planCopy(old!, live!, input.fromDump);
    const copiedTables = await copyRows(working, from, into, plan, live!, input.onBytes);
    for (const [schema, names] of plan.restored) {
      const tables = names.map((name) => `--table=${name}`);
      await pgRestore(working, into, path, ["--section=data", `--schema=${schema}`, ...tables]);
    }
    await pgRestore(working, into, path, ["--section=post-data"]);
    const ofDump = plan.fromDump.map((table) => [table, manifest.rows[table] ?? 0] as const);
    const fromDump = Object.fromEntries(ofDump);
    await assertRowsCopied(working, into, { ...copiedTables.rows, ...fromDump });
    await finishDatabase(working, into, manifest);
    return {
      copied: copiedTables.rows,
      fromDump,
      noPlace: copiedTables.noPlace,
      unfilled: plan.unfilled,
    };
  } catch (error) {
    await dropScratch(server, mark);
    throw error;
  }
}

/**
 * Large objects belong to no table, and are not copied with rows that name them: nor would they be
 * missed by any count.
 */
async function assertNoLargeObjects(server: DatabaseServer, from: string): Promise<void> {
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

async function assertRowsCopied(
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
