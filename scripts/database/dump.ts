import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Writable } from "node:stream";
import { Problem } from "../common/problem.ts";
import { openSnapshot } from "./countTables.ts";
import { factsScript, parseFacts, type Facts } from "./facts.ts";
import { postgresWords } from "./postgresWords.ts";
import { psqlScript } from "./psqlScript.ts";
import type { DatabaseServer } from "./sql.ts";
import { retryWhenFull } from "./retryWhenFull.ts";

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
    readonly onBytes?: (written: number) => void;
  },
): Promise<DumpManifest> {
  const { database, path } = input;
  // `\!` sees psql's environment: a snapshot's name is the only thing that goes through a shell.
  const script = `${openSnapshot}
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
${factsScript(input.revisionQuery, "warn")}
\\! ${pgDump} --snapshot="$SNAPSHOT" </dev/null
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
