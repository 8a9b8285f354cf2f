import { Transform } from "node:stream";
import { Problem } from "../common/problem.ts";
import type { CommandResult } from "../docker/engine.ts";
import { dropScratch } from "./alterDatabases.ts";
import { askRows } from "./askRows.ts";
import { countTables, countTablesScript, openSnapshot } from "./countTables.ts";
import type { Mark } from "./databaseNames.ts";
import type { DumpManifest } from "./dump.ts";
import { createDatabase } from "./makeDatabase.ts";
import { type CopyPlan, countPlaces, type Loss, losses, type Place, planCopy } from "./planCopy.ts";
import { postgresWords, psqlScript, quoteText } from "./psqlClient.ts";
import { checkDump, type DumpFile, finishDatabase, pgRestore } from "./restoreDump.ts";
import { readSchema, type Schema } from "./schema.ts";
import { type DatabaseServer, interruptible } from "./sql.ts";

interface CopyInput {
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

interface CopiedRows {
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

interface PouredRows {
  /** By table. */
  readonly rows: Readonly<Record<string, number>>;
  readonly noPlace: readonly Loss[];
}

/** How both sides write values down: nothing of a database's or a role's own settings may come in between. */
const sameNotation = `SET search_path = ''; SET datestyle = 'ISO'; SET intervalstyle = 'postgres';
SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = 'content'; SET timezone = 'UTC';`;

/**
 * Copies rows from one database into another: one psql writes a script of COPY and its data,
 * another runs it as one transaction, and nothing is stored in between.
 * @param onBytes shown how much was copied, as it goes
 * @throws Problem DATABASE_REFUSED with Postgres' words where a row does not fit
 */
async function copyRows(
  server: DatabaseServer,
  from: string,
  into: string,
  plan: CopyPlan,
  live: Schema,
  onBytes: (copied: number) => void = () => undefined,
): Promise<PouredRows> {
  let copied = 0;
  const pipe = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes((copied += chunk.length));
      done(null, chunk);
    },
  });
  const reading = server.client(from, psqlScript, {
    stdin: readingScript(plan, live),
    stdout: pipe,
  });
  const writing = server.client(into, psqlScript, { stdin: pipe });
  // Where one side does not even come about, the other must not wait for it: its failure is thrown below,
  // and no one else may listen by then.
  pipe.on("error", () => undefined);
  for (const side of [reading, writing]) side.catch((error: Error) => pipe.destroy(error));
  const [read, written] = await Promise.allSettled([reading, writing]);
  // A reader that failed says so itself; one whose output was cut off has the writer to blame.
  if (read.status === "fulfilled") assertDone(read.value, `${from} could not be read`);
  if (written.status === "fulfilled")
    assertDone(written.value, "a row has no place in the old schema");
  if (written.status === "rejected") throw written.reason;
  if (read.status === "rejected") throw read.reason;
  const lines = read.value.stderr.split("\n");
  const printed = (name: string) =>
    JSON.parse(lines.find((line) => line.startsWith(`${name} `))!.slice(name.length)) as unknown;
  const rows = printed("rows") as Record<string, number>;
  return {
    rows: Object.fromEntries(plan.copied.map(({ table }) => [table, rows[table] ?? 0])),
    noPlace: losses(plan.noPlace, printed("lost") as { place: number; rows: number }[]),
  };
}

/** psql's script for the reading side; what it prints is the one for the writing side. */
function readingScript({ copied, sequences, noPlace }: CopyPlan, live: Schema): string {
  const reporter = (text: string) => `SELECT ${quoteText(text)};`;
  return [
    openSnapshot,
    sameNotation,
    reporter(
      `${sameNotation}\nSET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;`,
    ),
    reporter("BEGIN;"),
    ...copied.flatMap(({ table, columns }) => {
      const only = live.tables[table]!.partitioned ? "" : "ONLY ";
      const names = columns.join(", ");
      return [
        reporter(`COPY ${table} (${names}) FROM stdin;`),
        `COPY (SELECT ${names} FROM ${only}${table}) TO STDOUT;`,
        reporter("\\."),
      ];
    }),
    ...sequences.map(
      (name) =>
        `SELECT format('SELECT pg_catalog.setval(%L, %s, %L);', ${quoteText(name)}, last_value, is_called) FROM ${name};`,
    ),
    `SELECT coalesce(jsonb_agg(counted), '[]') AS lost FROM (${countPlaces(noPlace, live)}) counted \\gset`,
    "\\warn lost :lost",
    countTablesScript,
    "\\warn rows :rows",
    // Comes only if all went well: without it the writing side undoes what it did.
    reporter("COMMIT;"),
    "COMMIT;",
  ].join("\n");
}

function assertDone({ code, stderr }: CommandResult, failure: string): void {
  if (code === 0) return;
  const lines = stderr.split("\n").filter((line) => !/^(?:rows|lost) /u.test(line));
  const { words } = postgresWords(lines.join("\n"));
  throw new Problem("DATABASE_REFUSED", failure, { details: words });
}
