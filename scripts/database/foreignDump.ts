import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { Problem } from "../common/problem.ts";
import { restoreSchema } from "./foundLetta.ts";
import { postgresWords, psqlScript, quoteName, quoteText } from "./psqlClient.ts";
import type { DatabaseServer } from "./sql.ts";

/** A dump that someone else made, as far as it can be judged before any of it runs. */
export interface ForeignDump {
  readonly path: string;
  readonly format: "custom" | "plain";
  /** The roles that it names: they need not exist here. */
  readonly roles: readonly string[];
}

/**
 * Judges a dump: its format, and of SQL that it is whole and nothing but SQL.
 * @throws Problem USAGE for what is no dump, ADOPTION_REFUSED, BACKUP_DAMAGED
 */
export async function openForeignDump(path: string): Promise<ForeignDump> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw new Problem("USAGE", `--from dump:${path}: ${(error as Error).message}`);
  });
  const head = Buffer.alloc(4096);
  try {
    await file.read(head, 0, head.length, 0);
  } finally {
    await file.close();
  }
  if (head.subarray(0, 5).toString("latin1") === "PGDMP")
    return { path, format: "custom", roles: [] };
  if (/^-- PostgreSQL database (cluster )?dump/mu.test(head.toString("utf8")))
    return { path, format: "plain", roles: await scanScript(createReadStream(path)) };
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  throw new Problem(
    "USAGE",
    `${path}: expected a dump by pg_dump, in its custom format (-Fc) or as SQL`,
    { details: isGzip ? ["it is compressed: gunzip it first"] : [] },
  );
}

const roleName = String.raw`(?<role>"(?:[^"]|"")+"|\w+)`;
/** Where pg_dump names roles (bin/pg_dump/dumputils.c, pg_backup_archiver.c). */
const naming = [
  `\\bOWNER TO ${roleName};`,
  `^(?:GRANT|REVOKE) .* (?:TO|FROM) ${roleName}(?: WITH GRANT OPTION)?;`,
  `\\bFOR ROLE ${roleName}`,
].map((one) => new RegExp(one, "u"));

/**
 * Reads a dump in SQL to its end before anything of it runs.
 * @returns the roles it names
 * @throws Problem ADOPTION_REFUSED for commands of psql in it, BACKUP_DAMAGED where its end is missing
 */
export async function scanScript(text: Readable): Promise<string[]> {
  const roles = new Set<string>();
  let [inRows, isWhole, at] = [false, false, 0];
  for await (const line of createInterface({ input: text, crlfDelay: Infinity })) {
    at += 1;
    if (inRows) {
      inRows = line !== "\\.";
      continue;
    }
    if (line.startsWith("--")) {
      isWhole ||= line === "-- PostgreSQL database dump complete";
      continue;
    }
    inRows = /^COPY .* FROM stdin;$/u.test(line);
    const code = line.replaceAll(/'(?:[^']|'')*'/gu, "");
    // \restrict and \unrestrict are pg_dump's own, since 17.6: they forbid all others.
    if (/\\(?!(?:un)?restrict\b)/u.test(code)) throw commandFound(at, code);
    for (const pattern of naming) {
      const role = pattern.exec(code)?.groups?.["role"];
      if (role !== undefined && role !== "PUBLIC") roles.add(unquoted(role));
    }
  }
  if (isWhole && !inRows) return [...roles];
  throw new Problem("BACKUP_DAMAGED", `the dump ends in line ${at}, before its own last words`, {
    details: ['expected "PostgreSQL database dump complete"'],
  });
}

function commandFound(line: number, code: string): Problem {
  const isCluster = code.startsWith("\\connect");
  return new Problem(
    "ADOPTION_REFUSED",
    `line ${line}: expected SQL alone, got a command of psql; none of it was run`,
    {
      details: isCluster ? ["dumps by pg_dumpall and pg_dump --create are not read"] : [],
      next: "dump one database in the custom format: pg_dump -Fc <database> > letta.dump",
    },
  );
}

const unquoted = (name: string) =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;

/**
 * Restores a dump into an empty database of a server that nothing else is on: its SQL may do anything.
 * @throws Problem BACKUP_DAMAGED, ADOPTION_REFUSED where no Letta is in it
 */
export async function restoreForeignDump(
  server: DatabaseServer,
  into: string,
  dump: ForeignDump,
): Promise<void> {
  const { path, format, roles } = dump;
  const stdin = () => createReadStream(path);
  if (format === "plain") {
    const made = roles.map(
      (role) => `SELECT ${quoteText(`CREATE ROLE ${quoteName(role)}`)} WHERE NOT EXISTS
        (SELECT FROM pg_roles WHERE rolname = ${quoteText(role)}) \\gexec`,
    );
    await server.database(into).ask([...made, "SELECT 1"].join("\n"));
    const argv = [...psqlScript, "--output=/dev/null"];
    const ran = await server.client(into, argv, { stdin: stdin() });
    if (ran.code !== 0) {
      const next = "dump it in the custom format: pg_dump -Fc <database> > letta.dump";
      throw damaged(path, postgresWords(ran.stderr).words, next);
    }
    return;
  }
  const argv = ["pg_restore", "--section=pre-data", "--no-owner", "--no-privileges", "--file=-"];
  const ran = await server.client(into, argv, { stdin: stdin() });
  if (ran.code !== 0) throw damaged(path, postgresWords(ran.stderr).words);
  const schemas = schemasIn(ran.stdout);
  if (schemas.lettas.length === 0) {
    throw new Problem("ADOPTION_REFUSED", `${path}: expected a table alembic_version, got none`);
  }
  for (const schema of schemas.lettas) {
    const from = { schema, vectorSchema: schemas.vector };
    await restoreSchema(server, into, path, from).catch((error: unknown) => {
      if (error instanceof Problem) throw damaged(path, error.details);
      throw error;
    });
  }
}

/** The schemas that a dump's SQL has Lettas in, and the one that it knows the type `vector` in. Pure. */
export function schemasIn(sql: string): { lettas: string[]; vector: string | undefined } {
  const name = String.raw`("(?:[^"]|"")+"|\w+)`;
  const tables = sql.matchAll(new RegExp(`^CREATE TABLE ${name}\\.alembic_version `, "gmu"));
  const type = new RegExp(`${name}\\.vector\\b`, "u").exec(sql)?.[1];
  return {
    lettas: [...tables].map(([, table = ""]) => unquoted(table)),
    vector: type === undefined ? undefined : unquoted(type),
  };
}

const damaged = (path: string, details: readonly string[], next?: string) =>
  new Problem("BACKUP_DAMAGED", `${path} does not restore`, {
    details,
    ...(next === undefined ? {} : { next }),
  });
