import { text } from "node:stream/consumers";
import type { Readable, Writable } from "node:stream";
import type { CommandIo, CommandResult } from "../../scripts/docker/engine.ts";
import {
  copyDatabase,
  counts,
  dumped,
  emptyDatabase,
  columnsOf,
  revisionOf,
  schemaOf,
  undumped,
  type SimulatedDatabase,
} from "./databases.ts";
import type { SimulatedServers, Stranger } from "./servers.ts";
import type { World } from "./world.ts";

/** The statements that scripts/database sends, as far as a Postgres server would answer them. */
export async function client(
  servers: SimulatedServers,
  world: World,
  argv: readonly string[],
  io: CommandIo,
): Promise<CommandResult> {
  const name = io.environment?.["PGDATABASE"] ?? "";
  const [program = ""] = argv;
  if (program === "pg_dumpall") return world.effect("pg_dumpall", 30, () => said("-- roles"));
  if (program === "pg_restore") {
    const dump = Buffer.from(await text(io.stdin as Readable));
    if (argv.includes("--file=/dev/null")) return world.effect("read a dump", 50, () => said(""));
    return world.effect(`pg_restore ${argv.slice(5).join(" ")} ${name}`, 200, () =>
      restore(servers, name, dump, argv),
    );
  }
  if (program === "pg_dump") {
    return world.effect("pg_dump --version", 10, () => said("pg_dump (PostgreSQL) 17.11"));
  }
  if (program === "df") {
    return world.effect("df", 5, () =>
      said("Filesystem 1-blocks Used Available\n/dev/sda 9e11 1e9 800000000000 1% /"),
    );
  }
  if (program === "sh") return world.effect("login", 20, () => said("1"));
  const script = typeof io.stdin === "string" ? io.stdin : await text(io.stdin as Readable);
  const isCopy = /CREATE DATABASE "\w+" TEMPLATE "/.test(script);
  return world.effect(`psql ${name} ${description(script)}`, isCopy ? servers.copyMs : 15, () => {
    if (!servers.databaseRuns()) return refused(io, failed("", "connection refused"));
    const rolesAnswer = ofRoles(servers, script, io.environment?.["PGUSER"] ?? "");
    if (rolesAnswer !== undefined) return rolesAnswer;
    const database = servers.databases.get(name);
    if (database !== undefined) return statement(servers, world, database, name, script, io.stdout);
    return refused(io, failed("3D000", `database "${name}" does not exist`));
  });
}

/** What a command would have written comes to its end with it. */
function refused({ stdout }: CommandIo, result: CommandResult): CommandResult {
  stdout?.end();
  return result;
}

function said(stdout: string, stderr = ""): CommandResult {
  return { code: 0, stdout: stdout === "" ? "" : `${stdout}\n`, stderr };
}

function failed(state: string, message: string): CommandResult {
  const stderr = state === "" ? `psql: error: ${message}` : `ERROR:  ${state}: ${message}`;
  return { code: 3, stdout: "", stderr };
}

/** Of a statement, for the trace. */
function description(script: string): string {
  const found =
    // What is made is made under another name, and renamed at the end.
    /ALTER DATABASE "[^"]*" RENAME[^\n]*/.exec(script) ??
    /pg_dump|COPY|(?:DROP|CREATE|ALTER) DATABASE[^\n]*|COMMENT ON DATABASE|facts|:counting|:keys|AS sequences/.exec(
      script,
    );
  return found?.[0] ?? script.trim().split("\n")[0]!.slice(0, 60);
}

const rowsAsJson = (rows: readonly object[]) =>
  said(rows.map((one) => JSON.stringify(one)).join("\n"));

const own = {
  settings: [],
  grants: null,
  locale: { encoding: "UTF8", collate: "C", ctype: "C", provider: "c", locale: null },
  connectionLimit: -1,
  owner: "letta",
};

function statement(
  servers: SimulatedServers,
  world: World,
  database: SimulatedDatabase,
  name: string,
  script: string,
  stdout: Writable | undefined,
): CommandResult | Promise<CommandResult> {
  if (script.includes("pg_dump --format")) return dump(database, stdout!);
  if (script.includes("\\echo facts")) return said(facts(database));
  if (script.includes("COPY (SELECT")) return read(database, script, stdout!);
  if (script.startsWith("COPY ") || script.includes("\nCOPY ")) return copy(database, script);
  if (script.includes("FROM (:counting")) {
    return rowsAsJson(
      Object.entries(counts(database)).map(([table, rows]) => ({ table, rows, isEstimate: false })),
    );
  }
  if (script.includes("FROM (:keys")) {
    // A simulated row is its key: there is nothing of it that could change.
    const tables = [...database.rows].map(
      ([table, rows]) => [`public.${table}`, [...rows]] as const,
    );
    return rowsAsJson(
      tables.map(([table, keys]) => {
        return { table, keys, columns: ["id text"], contents: keys.map(() => [0]) };
      }),
    );
  }
  if (script.includes("\\echo :rows")) return said(JSON.stringify(counts(database)));
  if (/DROP DATABASE|CREATE DATABASE|ALTER DATABASE "|COMMENT ON DATABASE/.test(script)) {
    world.assertLock("alter a database");
    return alterWhenAlone(servers, script);
  }
  if (script.includes('AS "mayCreateDatabases"')) {
    return rowsAsJson([externalFacts(servers, name)]);
  }
  if (script.includes("AS used")) return rowsAsJson([{ used: 5, most: 97 }]);
  if (script.includes("pg_blocking_pids")) return rowsAsJson([]);
  if (script.includes("FROM pg_stat_activity")) {
    return rowsAsJson(sessionRows(servers, script));
  }
  if (script.includes("FROM pg_replication_slots")) {
    return rowsAsJson([{ slots: [], prepared: [] }]);
  }
  if (script.includes("pg_database_size(oid) AS bytes, current_setting")) {
    const asked = /datname = '(\w+)'/.exec(script)?.[1] ?? "";
    return rowsAsJson(
      servers.databases.has(asked) ? [{ bytes: 8_000_000, version: 170_011, own }] : [],
    );
  }
  if (script.startsWith("SHOW data_directory")) return said("/var/lib/postgresql/data");
  if (script.includes("pg_largeobject_metadata")) return rowsAsJson([{ objects: 0 }]);
  if (script.startsWith("CHECKPOINT")) return said("");
  if (script.includes("AS sequences")) return rowsAsJson([schemaOf(database)]);
  if (script.includes("indisvalid")) {
    return rowsAsJson(database.half ? [{ name: "public.agents_by_title" }] : []);
  }
  if (script.includes("FROM pg_database WHERE NOT datistemplate")) {
    return rowsAsJson(
      [...servers.databases].map(([one, { comment = null }]) => {
        return { name: one, bytes: 8_000_000, comment };
      }),
    );
  }
  if (/SELECT 0 AS place|AS place, count/.test(script)) return rowsAsJson(places(database, script));
  if (/version_num FROM alembic_version/.test(script)) {
    return database.applied.length === 0
      ? failed("42P01", 'relation "alembic_version" does not exist')
      : said(revisionOf(database));
  }
  if (script.includes("DELETE FROM providers WHERE base")) {
    database.rows.get("providers")?.delete("base");
    return said("");
  }
  if (script.startsWith("ANALYZE")) return said("");
  if (script.startsWith("SHOW server_version_num")) return said("170011");
  if (/^SELECT '.*' AS database \\gset/.test(script)) return said("");
  if (script.startsWith("SELECT 1")) return said("1");
  throw new Error(`no simulated answer to ${name}: ${script}`);
}

/** See ExternalFacts. */
function externalFacts({ cluster }: SimulatedServers, database: string): object {
  return {
    database,
    role: "letta",
    owner: "letta",
    isOwner: true,
    isSuperuser: false,
    version: 170_011,
    isReplica: false,
    isReadOnly: false,
    isShared: false,
    schema: "public",
    searchPath: '"$user", public',
    mayCreateTables: true,
    vector: "0.8.1",
    hasVector: true,
    mayCreateVector: true,
    isEncrypted: true,
    mostConnections: 97,
    usedConnections: 5,
    otherConnections: 0,
    mayCreateDatabases: cluster.mayCreate,
    ...cluster.facts,
  };
}

/** What the tool asks and does about roles. */
function ofRoles(servers: SimulatedServers, script: string, user: string) {
  if (user === "letta_admin" && servers.roles === "superuser") {
    return failed("", 'FATAL:  role "letta_admin" does not exist');
  }
  if (script.startsWith("SELECT (SELECT rolsuper")) {
    const isSuper = servers.roles === "separate" ? "f" : "t";
    return said(`t\u001f${isSuper}`);
  }
  if (script.startsWith("SELECT oid = 10")) return said(servers.roles === "superuser" ? "t" : "f");
  if (script.includes("DO $take$")) servers.roles = "separate";
  else if (script.startsWith("ALTER ROLE")) servers.roles = "given back";
  else if (!script.startsWith("DO $give$")) return undefined;
  return said("");
}

function facts(database: SimulatedDatabase): string {
  const others = {
    serverVersion: "17.11",
    databaseBytes: 8_000_000,
    extensions: { vector: "0.8.1" },
    invalidIndexes: database.half ? ["public.agents_by_title"] : [],
    own,
  };
  const revision = database.applied.length === 0 ? [] : [{ version_num: revisionOf(database) }];
  const state = database.applied.length === 0 ? "42P01" : "00000";
  return [
    `facts ${JSON.stringify(counts(database))}`,
    `facts ${JSON.stringify(others)}`,
    `facts ${state} ${JSON.stringify(revision)}`,
  ].join("\n");
}

function dump(database: SimulatedDatabase, to: Writable): Promise<CommandResult> {
  const data = dumped(database);
  const reported = `${facts(database)}\npg_dump ended with 0\n`;
  return new Promise((resolve, reject) => {
    to.once("error", reject);
    to.write(data, (error) => (error ? reject(error) : resolve(said("", reported))));
  });
}

function restore(
  servers: SimulatedServers,
  name: string,
  dump: Buffer,
  argv: readonly string[],
): CommandResult {
  const into = servers.databases.get(name);
  if (!servers.databaseRuns() || into === undefined) return failed("3D000", "no such database");
  if (servers.cluster.facts.mayCreateVector === false) {
    return failed("42501", 'permission denied to create extension "vector"');
  }
  const from = undumped(dump);
  const section = argv.find((one) => one.startsWith("--section="));
  const tables = argv.filter((one) => one.startsWith("--table=")).map((one) => one.slice(8));
  if (section === undefined || section === "--section=pre-data") {
    into.applied = from.applied;
    into.half = from.half;
    for (const [table, rows] of from.rows) {
      into.rows.set(table, new Set(section === undefined ? rows : []));
    }
  }
  if (section === "--section=data") {
    for (const table of tables) {
      if (from.rows.has(table)) into.rows.set(table, new Set(from.rows.get(table)));
    }
  }
  return said("");
}

function read(database: SimulatedDatabase, script: string, to: Writable): Promise<CommandResult> {
  const asked = script.matchAll(/COPY \(SELECT (.*?) FROM (?:ONLY )?public\.(\w+)\) TO STDOUT/g);
  const copied = [...asked].map(([, columns = "", table = ""]) => {
    return [table, columns.split(", "), [...(database.rows.get(table) ?? [])]];
  });
  const lost = JSON.stringify(places(database, script));
  return new Promise((resolve) => {
    to.end(`COPY ${JSON.stringify(copied)}`);
    resolve(said("", `lost ${lost}\nrows ${JSON.stringify(counts(database))}\n`));
  });
}

function copy(database: SimulatedDatabase, script: string): CommandResult {
  const copied = JSON.parse(script.slice(script.indexOf("COPY ") + 5)) as [
    string,
    string[],
    string[],
  ][];
  for (const [table, columns, rows] of copied) {
    const without = columnsOf(database, table).find((one) => !columns.includes(one));
    if (without !== undefined && rows.length > 0) {
      return failed("23502", `null value in column "${without}" of relation "${table}"`);
    }
    database.rows.set(table, new Set(rows));
  }
  return said("");
}

function places(database: SimulatedDatabase, script: string): { place: number; rows: number }[] {
  const asked = script.matchAll(
    /SELECT (\d+) AS place, count\(.*?\) AS rows FROM (?:ONLY )?public\.(\w+)/g,
  );
  return [...asked].map(([, place, table]) => ({
    place: Number(place),
    rows: database.rows.get(table!)?.size ?? 0,
  }));
}

function sessionRows(servers: SimulatedServers, script: string): object[] {
  const list = /datname IN \((.*?)\)/.exec(script)?.[1] ?? "";
  const names = list.split(", ").map((one) => one.slice(1, -1));
  const row = (one: Partial<Stranger>, pid: number) => ({ kind: "client", ...one, pid });
  if (script.includes("pg_terminate_backend")) {
    servers.endPools(names);
    return servers.endStrangers(names).map((one, pid) => ({ ...row(one, pid), ended: true }));
  }
  return names.flatMap((name) => {
    const strangers = servers.strangers.filter((one) => one.database === name);
    const ours = { database: name, application: "letta-stack", mayEnd: true };
    return [...strangers, ...servers.ownSessions(name).map((one) => ({ ...ours, ...one }))].map(
      row,
    );
  });
}

/** As Postgres does: new connections wait for it, and it waits five seconds for others to end. */
async function alterWhenAlone(servers: SimulatedServers, script: string): Promise<CommandResult> {
  const alone = [...script.matchAll(/(?:TEMPLATE|ALTER DATABASE) "?(\w+)"?/g)].map(
    (one) => one[1]!,
  );
  for (const one of alone) servers.fenced.add(one);
  const { world } = servers;
  for (let waited = 0; ; waited += lookMs) {
    const done = alter(servers, script);
    if (!done.stderr.includes("55006") || waited >= longestMs) {
      for (const one of alone) servers.fenced.delete(one);
      return done;
    }
    await new Promise<void>((resolve) => world.afterUnlessOff(lookMs, resolve));
  }
}

const lookMs = 100;
const longestMs = 5000;

/** Statements on lines of their own; between BEGIN and COMMIT all of them, or none. */
function alter(servers: SimulatedServers, script: string): CommandResult {
  let { databases } = servers;
  let isTransaction = false;
  const comments: (() => void)[] = [];
  for (const line of script.split("\n")) {
    if (line.startsWith("BEGIN")) isTransaction = true;
    databases = new Map(databases);
    const failure = alterOnce(servers, databases, line, comments);
    if (failure !== undefined) return failure;
    if (line.startsWith("COMMIT")) isTransaction = false;
    if (isTransaction) continue;
    servers.databases = databases;
    for (const comment of comments.splice(0)) comment();
  }
  return said("");
}

/**
 * @param databases is changed
 * @param comments gets what is to be done at the end of the transaction
 */
function alterOnce(
  servers: SimulatedServers,
  databases: Map<string, SimulatedDatabase>,
  line: string,
  comments: (() => void)[],
): CommandResult | undefined {
  const inUse = (name: string) => servers.sessionsOn(name) > 0;
  const [, dropped] = /^DROP DATABASE IF EXISTS "(.*?)"/.exec(line) ?? [];
  if (dropped !== undefined) databases.delete(dropped);
  const created = /^CREATE DATABASE "(.*?)" TEMPLATE "?(\w+)"?/.exec(line);
  if (created !== null) {
    const [, name = "", from = ""] = created;
    if (!servers.cluster.mayCreate) return failed("42501", "permission denied to create database");
    if (databases.has(name)) return failed("42P04", `database "${name}" already exists`);
    if (inUse(from)) return failed("55006", `source database "${from}" is being accessed`);
    const template = databases.get(from);
    if (template === undefined && from !== "template0") {
      return failed("3D000", `template database "${from}" does not exist`);
    }
    databases.set(name, template ? copyDatabase(template) : emptyDatabase());
  }
  // Postgres only warns about a database that is not there.
  const commented = /^COMMENT ON DATABASE "(.*?)" IS '(.*)';?$/.exec(line);
  const one = commented && databases.get(commented[1]!);
  if (one) comments.push(() => void (one.comment = commented[2]!));
  const renamed = /^ALTER DATABASE "(.*?)" RENAME TO "(.*?)"/.exec(line);
  if (renamed !== null) {
    const [, from = "", to = ""] = renamed;
    const moved = databases.get(from);
    if (moved === undefined) return failed("3D000", `database "${from}" does not exist`);
    if (databases.has(to)) return failed("42P04", `database "${to}" already exists`);
    if (inUse(from)) return failed("55006", `database "${from}" is being accessed`);
    databases.delete(from);
    databases.set(to, moved);
  }
  return undefined;
}
