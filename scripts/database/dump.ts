import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Writable } from "node:stream";
import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { countTablesIn, openSnapshot } from "./countTables.ts";
import { type DatabaseOwn, databaseOwnQuery } from "./databaseOwn.ts";
import { postgresWords, psqlScript, quoteName, retryWhenFull } from "./psqlClient.ts";
import type { Database, DatabaseServer } from "./sql.ts";

/** What a dump holds and how to know that it is complete; stored next to it. */
export interface DumpManifest extends Facts {
  /** The database it was taken of. */
  readonly database: string;
  /** Of the dump, in hex. */
  readonly sha256: string;
  /** Of the dump. */
  readonly bytes: number;
  /** The server's roles and their settings, without passwords, as SQL; null where `globalsFault` says why. */
  readonly globals: string | null;
  readonly globalsFault: string | null;
}

/**
 * gzip, as any pg_restore reads it, at its fastest: a deploy waits for it. No subscriptions:
 * they hold passwords, and a restored one would begin to replicate. A table that another session has
 * locked is waited for a minute.
 */
const pgDump =
  "pg_dump --format=custom --compress=gzip:1 --no-password --no-subscriptions --lock-wait-timeout=60s";

/**
 * Dumps a database into a file of the host (0600), which appears whole or not at all. The
 * counts in the manifest are of the very snapshot that is dumped: psql holds it open, counts, and
 * runs pg_dump on it.
 * @param asked.revisionQuery the role's own, see x-app in compose/server.yaml
 * @param asked.onBytes called with how much is written, as it goes
 * @throws Problem DATABASE_REFUSED with the words of pg_dump or psql, DISK_TOO_SMALL
 */
export async function dump(
  server: DatabaseServer,
  input: {
    readonly database: string;
    readonly path: string;
    readonly revisionQuery: string;
    /** The only schema that is dumped and counted, without its extensions. */
    readonly schema?: string;
    readonly onBytes?: (written: number) => void;
  },
): Promise<DumpManifest> {
  const { database, path, schema } = input;
  // `\!` sees psql's environment: a snapshot's name and a schema's are all that goes through a shell, as variables.
  const script = `${openSnapshot}
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
${schema === undefined ? "" : `\\setenv SCHEMA ${psqlText(quoteName(schema))}\n`}${factsScript(input.revisionQuery, "warn", schema)}
\\! ${pgDump}${schema === undefined ? "" : ' --schema="$SCHEMA"'} --snapshot="$SNAPSHOT" </dev/null
\\warn pg_dump ended with :SHELL_EXIT_CODE
COMMIT;
`;
  const fill = async (sink: Writable) => {
    const ran = await server.client(database, psqlScript, { stdin: script, stdout: sink });
    if (ran.code === 0 && /^pg_dump ended with 0$/mu.test(ran.stderr)) return ran.stderr;
    throw new Problem("DATABASE_REFUSED", `${database} could not be dumped`, {
      details: wordsOf(ran.stderr),
    });
  };
  const globals = await dumpGlobals(server, database);
  const written = await retryWhenFull(() => writeWhole(path, fill, input.onBytes));
  const { sha256, bytes, result } = written;
  return { database, sha256, bytes, ...parseFacts(result), ...globals };
}

/** A text as psql's own commands take it. */
const psqlText = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

/** What the server knows besides its databases. A managed server may not show it: that is no failure. */
async function dumpGlobals(
  server: DatabaseServer,
  database: string,
): Promise<Pick<DumpManifest, "globals" | "globalsFault">> {
  const name = database.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
  const ran = await server.client(database, [
    "pg_dumpall",
    "--globals-only",
    "--no-role-passwords",
    "--no-password",
    `--database=dbname='${name}'`,
  ]);
  return ran.code === 0
    ? { globals: ran.stdout, globalsFault: null }
    : { globals: null, globalsFault: wordsOf(ran.stderr).join("; ") };
}

/** What was said after the facts: before them a table that is not there may have been missed. */
function wordsOf(stderr: string): string[] {
  const lines = stderr.split("\n").filter((line) => !line.startsWith("pg_dump ended with "));
  const last = lines.findLastIndex((line) => line.startsWith("facts "));
  return postgresWords(lines.slice(last + 1).join("\n")).words;
}

/** Lets work write a file: next to it, to the disk, then renamed; nothing stays where it fails. */
async function writeWhole<Result>(
  path: string,
  work: (sink: Writable) => Promise<Result>,
  onBytes: (written: number) => void = () => undefined,
) {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", 0o600);
  const hash = createHash("sha256");
  let bytes = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(bytes);
      file.writeFile(chunk).then(() => done(), done);
    },
  });
  try {
    const result = await work(sink);
    await file.sync();
    await file.close();
    await rename(temporary, path);
    const folder = await open(dirname(path), "r");
    await folder.sync().finally(() => folder.close());
    return { sha256: hash.digest("hex"), bytes, result };
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    throw new Problem("DISK_TOO_SMALL", `${path}: the disk is full, ${bytes} bytes did fit`, {
      cause: error,
    });
  }
}

/** What a database holds, all of it of the same moment. */
interface Facts extends DatabaseOwn {
  /** Rows of every table, by its name as SQL writes it: `public.agents`, `public."Odd One"`. */
  readonly rows: Readonly<Record<string, number>>;
  /** Its schema's revisions: none where it was never migrated. */
  readonly revision: readonly string[];
  /** Such as "17.11". */
  readonly serverVersion: string;
  /** Its size on the server's disk. */
  readonly databaseBytes: number;
  readonly extensions: Readonly<Record<string, string>>;
  readonly invalidIndexes: readonly string[];
}

const undefinedTable = "42P01";

/**
 * psql's commands that read the facts within an open snapshot and print them on three lines.
 * @param revisionQuery the role's own; a table that it lacks means that nothing was migrated
 * @param print "echo" for standard output, "warn" for standard error
 * @param schema the only one whose rows are counted
 */
function factsScript(revisionQuery: string, print: "echo" | "warn", schema?: string): string {
  const query = revisionQuery.trim().replace(/;+$/u, "");
  return `${countTablesIn(schema)}
SELECT jsonb_build_object('serverVersion', split_part(current_setting('server_version'), ' ', 1),
  'databaseBytes', pg_database_size(current_database()),
  'extensions', (SELECT jsonb_object_agg(extname, extversion) FROM pg_extension),
  'invalidIndexes', (SELECT coalesce(jsonb_agg(name), '[]') FROM (${invalidIndexesQuery}) i),
  'own', ${databaseOwnQuery("current_database()")}) AS facts \\gset
\\set ON_ERROR_STOP off
\\set revision []
SAVEPOINT asked;
SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') AS revision FROM (${query}
) r \\gset
\\set state :SQLSTATE
ROLLBACK TO asked;
\\set ON_ERROR_STOP on
\\${print} facts :rows
\\${print} facts :facts
\\${print} facts :state :revision
`;
}

/**
 * Takes apart what factsScript printed.
 * @throws Problem DATABASE_REFUSED where the revision is unknown
 */
function parseFacts(printed: string): Facts {
  const [rows = "", facts = "", last = ""] = printed
    .split("\n")
    .filter((line) => line.startsWith("facts "))
    .map((line) => line.slice("facts ".length));
  const [state = ""] = last.split(" ", 1);
  if (state !== "00000" && state !== undefinedTable) {
    throw new Problem("DATABASE_REFUSED", "the database does not tell its schema's revision", {
      details: [`SQLSTATE ${state}`],
    });
  }
  const revision = JSON.parse(last.slice(state.length)) as Record<string, string>[];
  const { own, ...others } = JSON.parse(facts) as Facts & {
    own: DatabaseOwn;
  };
  return {
    ...others,
    rows: JSON.parse(rows) as Facts["rows"],
    ...own,
    revision: revision.map((row) => String(Object.values(row)[0])),
  };
}

/**
 * What a database holds now, read in one session and of one moment.
 * @param revisionQuery the role's own, see x-app in compose/server.yaml
 * @param schema the only one whose rows are counted
 * @throws Problem DATABASE_REFUSED
 */
export async function readFacts(
  database: Database,
  revisionQuery: string,
  schema?: string,
): Promise<Facts> {
  const { rows, state, message } = await database.ask(
    `${openSnapshot}${factsScript(revisionQuery, "echo", schema)}COMMIT`,
  );
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", "the database cannot be counted", { details: [message] });
  }
  return parseFacts(rows.map((row) => row.join("\u001f")).join("\n"));
}

/**
 * Whether a restored database holds what its manifest says: every table's rows, the revision,
 * and no index that is not valid.
 * @param revisionQuery the role's own, see x-app in compose/server.yaml
 * @throws Problem BACKUP_DAMAGED naming each difference, DATABASE_REFUSED
 */
export async function assertRestored(
  database: Database,
  manifest: DumpManifest,
  revisionQuery: string,
): Promise<void> {
  const found = await readFacts(database, revisionQuery);
  const tables = new Set([...Object.keys(manifest.rows), ...Object.keys(found.rows)]);
  const rows = [...tables]
    .filter((table) => manifest.rows[table] !== found.rows[table])
    .map((table) => `${table}: expected ${count(manifest, table)}, got ${count(found, table)}`);
  const revision =
    manifest.revision.join(", ") === found.revision.join(", ")
      ? []
      : [`revision: expected ${manifest.revision.join(", ")}, got ${found.revision.join(", ")}`];
  const indexes = found.invalidIndexes.map((name) => `${name}: expected a valid index`);
  const details = [...rows, ...revision, ...indexes];
  if (details.length === 0) return;
  throw new Problem("BACKUP_DAMAGED", "the restored database is not the one that was dumped", {
    details,
  });
}

function count({ rows }: Pick<DumpManifest, "rows">, table: string): string {
  return rows[table] === undefined ? "no such table" : `${rows[table]} rows`;
}

/** Those of partitioned tables are left out: they wait for their parts and are none themselves. */
const invalidIndexesQuery = `SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready) ORDER BY 1`;

/**
 * Indexes that a build which was cut off left behind: Postgres keeps them up and never uses
 * them, and `CREATE INDEX … IF NOT EXISTS` takes them for done.
 * @throws Problem DATABASE_REFUSED
 */
export async function invalidIndexes(database: Database): Promise<string[]> {
  const found = await askRows<{ name: string }>(database, invalidIndexesQuery, "its indexes");
  return found.map((one) => one.name);
}
