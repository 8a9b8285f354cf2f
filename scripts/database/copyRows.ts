import { Transform } from "node:stream";
import { Problem } from "../common/problem.ts";
import type { CommandResult } from "../docker/engine.ts";
import { countTablesScript, openSnapshot } from "./countTables.ts";
import type { CopyPlan } from "./planCopy.ts";
import { postgresWords } from "./postgresWords.ts";
import { quoteText } from "./quote.ts";
import type { Schema } from "./readSchema.ts";
import { psqlScript } from "./psqlScript.ts";
import type { DatabaseServer } from "./sql.ts";
import { countPlaces, losses, type Loss } from "./estimateLoss.ts";

export interface PouredRows {
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
export async function copyRows(
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
  // Where one side does not even come about, the other must not wait for it.
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
