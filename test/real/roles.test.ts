import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Problem } from "../../scripts/common/problem.ts";
import { admitRehearsal } from "../../scripts/database/admitRehearsal.ts";
import { databaseName, marksOf } from "../../scripts/database/databaseNames.ts";
import { copyDatabase } from "../../scripts/database/makeDatabase.ts";
import { dropScratch, swapNames } from "../../scripts/database/alterDatabases.ts";
import { dump } from "../../scripts/database/dump.ts";
import { restoreDump } from "../../scripts/database/restoreDump.ts";
import { bundledServer } from "../../scripts/database/sql.ts";
import { giveRolesBack, takeOverRoles } from "../../scripts/database/takeOverRoles.ts";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";
import { docker } from "./workspace.ts";

// A real PostgreSQL of its own, as earlier versions made it: the application is the superuser.
const container = "letta-test-roles";
const password = "roles1234567";
const engine = dockerEngine(endpoint(process.env), process.env);
const server = bundledServer(engine, { container, user: "letta", password, name: "letta" });
const folder = mkdtempSync(join(tmpdir(), "letta roles "));
const marks = marksOf("0123456789ab", { id: "000003", run: "r" });
const rehearsal = databaseName("letta", marks("rehearsal"));
const next = databaseName("letta", marks("incoming"));
const retained = databaseName("letta", marks("retained"));
const old = "letta_kept_000001"; // as earlier versions called it

/** As the server connects: over the network, with the password. @returns what it was reported */
function asLetta(database: string, statement: string, user = "letta", secret = password) {
  const psql = ["sh", "-c", 'exec psql -X -qAt -h "$(hostname)" -c "$STATEMENT"'];
  const set = { PGUSER: user, PGPASSWORD: secret, PGDATABASE: database, STATEMENT: statement };
  const variables = Object.entries(set).flatMap((pair) => ["-e", pair.join("=")]);
  const { stdout, stderr } = spawnSync("docker", ["exec", ...variables, container, ...psql]);
  return `${stdout.toString()}${stderr.toString()}`.trim();
}

const tool = async (statement: string, database = "letta") => {
  const { rows, message } = await server.database(database).ask(statement);
  assert.equal(message, "");
  return rows.map((row) => row.join("|")).join("\n");
};

/** What an operator may have made, one of each kind that has an owner. */
const fixture = `
CREATE EXTENSION vector;
CREATE TABLE alembic_version (version_num text);
CREATE TABLE agents (id serial PRIMARY KEY, v vector(3), n int GENERATED ALWAYS AS IDENTITY);
INSERT INTO agents (v) VALUES ('[1,2,3]');
CREATE SCHEMA "Létta's Daten"; CREATE TABLE "Létta's Daten"."Odd ""One""" (a int);
CREATE VIEW one_view AS SELECT 1 AS one; CREATE MATERIALIZED VIEW one_kept AS SELECT 1 AS one;
CREATE FUNCTION one(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE does() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE summed(int) (SFUNC = int4pl, STYPE = int4);
CREATE TYPE "Mood" AS ENUM ('so so'); CREATE TYPE pair AS (a int); CREATE DOMAIN small AS int;
CREATE TYPE ranged AS RANGE (SUBTYPE = int); CREATE SEQUENCE counted; CREATE INDEX ON agents (n);
CREATE STATISTICS stats ON id, n FROM agents; CREATE COLLATION odd (PROVIDER = libc, LOCALE = 'C');
CREATE TEXT SEARCH CONFIGURATION words (COPY = english);
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE TABLE parted (a int) PARTITION BY RANGE (a);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
SELECT lo_create(4711); CREATE PUBLICATION changes FOR TABLE agents;
CREATE ROLE reader LOGIN PASSWORD 'reader123456'; GRANT SELECT ON agents TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
ALTER ROLE letta SET statement_timeout = '1h'; ALTER ROLE letta SET my.thing = 'a b';
ALTER ROLE letta IN DATABASE letta SET search_path TO "$user", public, "Létta's Daten";
CREATE DATABASE ${old};`;

before(async () => {
  const format = "{{.Repository}}:{{.Tag}}";
  const [image = ""] = docker("images", "letta-stack/postgres", "--format", format).split("\n");
  const set = { POSTGRES_USER: "letta", POSTGRES_DB: "letta", POSTGRES_PASSWORD: password };
  const environment = Object.entries(set).flatMap((pair) => ["-e", pair.join("=")]);
  // Nothing of it has to outlive the test.
  const flags = ["--name", container, "--tmpfs", "/var/lib/postgresql/data"];
  docker("run", "-d", ...flags, ...environment, image, "-c", "fsync=off");
  for (let tries = 0; asLetta("letta", "SELECT 1") !== "1"; tries += 1) {
    assert.ok(tries < 200, "Postgres did not come up");
    await sleep(100);
  }
  await tool(fixture);
});
after(() => {
  docker("rm", "-f", "-v", container);
  rmSync(folder, { recursive: true });
});

test("the application's role is taken over while a transaction is open, and every other right with it", async () => {
  assert.equal((await server.roles()).kind, "superuser");
  const open = ["exec", container, "psql", "-U", "letta", "-d", "letta", "-c"];
  const busy = spawn("docker", [
    ...open,
    "BEGIN; SELECT * FROM agents; SELECT pg_sleep(3); COMMIT",
  ]);
  const ended = new Promise((resolve) => busy.once("exit", resolve));
  await sleep(1000);
  await takeOverRoles(server);
  assert.equal(await ended, 0, "the open transaction was ended for it");
  assert.deepEqual(await server.roles(), {
    application: "letta",
    tool: "letta_admin",
    kind: "separate",
  });
  const rights = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin";
  assert.equal(
    asLetta("letta", `SELECT ${rights}, rolconnlimit < 97 FROM pg_roles WHERE rolname = 'letta'`),
    "f|f|f|f|f|t|t",
  );
});

test("it owns all that it owned, with its settings, and the grants of others stay", async () => {
  const owners = (catalog: string, owner: string, name: string) =>
    `SELECT ${name}::text FROM ${catalog} c WHERE ${owner} = 10 AND oid >= 16384 AND NOT EXISTS
      (SELECT FROM pg_depend d WHERE d.objid = c.oid AND deptype = 'e')`;
  const left = [
    owners("pg_class", "relowner", "relname"),
    owners("pg_proc", "proowner", "proname"),
    owners("pg_type", "typowner", "typname"),
    owners("pg_operator", "oprowner", "oprname"),
    owners("pg_collation", "collowner", "collname"),
    owners("pg_statistic_ext", "stxowner", "stxname"),
    owners("pg_ts_config", "cfgowner", "cfgname"),
    owners("pg_publication", "pubowner", "pubname"),
    owners("pg_namespace", "nspowner", "nspname"),
    "SELECT oid::text FROM pg_largeobject_metadata WHERE lomowner = 10",
  ];
  assert.equal(await tool(left.join(" UNION ALL ")), "");
  assert.equal(
    asLetta("letta", "SHOW statement_timeout; SHOW my.thing; SHOW search_path")
      .split("\n")
      .join("|"),
    `1h|a b|"$user", public, "Létta's Daten"`,
  );
  assert.equal(asLetta("letta", "SELECT count(*) FROM agents", "reader", "reader123456"), "1");
  asLetta("letta", "CREATE TABLE later (a int)");
  assert.equal(asLetta("letta", "SELECT count(*) FROM later", "reader", "reader123456"), "0");
  assert.equal(asLetta("postgres", "SELECT 1", "reader", "reader123456"), "1");
});

test("it can run no program, reach no other database, change no server and hold no slot", async () => {
  for (const [database, statement, words] of [
    ["letta", "COPY (SELECT 1) TO PROGRAM 'id > /tmp/owned'", /permission denied to COPY to/],
    ["letta", "COPY agents FROM '/etc/passwd'", /permission denied to COPY from a file/],
    ["letta", "ALTER SYSTEM SET log_statement = 'all'", /permission denied/],
    ["letta", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')", /permission denied/],
    ["letta", "SELECT pg_create_physical_replication_slot('s')", /permission denied/],
    ["letta", `DROP DATABASE ${old} WITH (FORCE)`, /must be owner of database/],
    ["letta", `ALTER DATABASE ${old} CONNECTION LIMIT 9`, /must be owner of database/],
    ["letta", "CREATE DATABASE mine", /permission denied to create database/],
    ["letta", "CREATE ROLE mine", /permission denied to create role/],
    ["letta", "ALTER ROLE letta SUPERUSER", /permission denied to alter role/],
    ["letta", "SET ROLE letta_admin", /permission denied to set role/],
    ["letta", "ALTER ROLE letta_admin PASSWORD 'x'", /permission denied to alter role/],
    [old, "SELECT 1", /too many connections for database|permission denied for database/],
    ["postgres", "SELECT 1", /permission denied for database/],
    ["template1", "SELECT 1", /permission denied for database/],
  ] as const) {
    assert.match(asLetta(database, statement), words, statement);
  }
  assert.match(asLetta("postgres", "SELECT 1", "letta_admin"), /authentication failed/);
  assert.match(asLetta("letta", "SELECT 1", "letta_admin", ""), /no password supplied/);
});

test("a rehearsal reaches its copy as its owner, and nothing else", async () => {
  const path = join(folder, "a.dump");
  const asked = { database: "letta", path, revisionQuery: "SELECT * FROM alembic_version" };
  await restoreDump(server, { path, manifest: await dump(server, asked) }, marks("rehearsal"));
  assert.match(
    asLetta(rehearsal, "SELECT 1"),
    /too many connections for database|permission denied for database/,
  );
  const uri = new URL(await admitRehearsal(server, rehearsal, randomBytes));
  const rehearse = (database: string, statement: string) =>
    asLetta(database, statement, uri.username, uri.password);
  assert.equal(uri.pathname, `/${rehearsal}`);
  assert.equal(
    rehearse(rehearsal, "ALTER TABLE agents ADD x int; SELECT count(*) FROM agents"),
    "1",
  );
  assert.equal(rehearse(rehearsal, "SHOW statement_timeout"), "1h");
  for (const other of ["letta", "postgres", old]) {
    assert.match(rehearse(other, "SELECT 1"), /permission denied|too many connections/, other);
  }
  assert.match(asLetta(rehearsal, "SELECT 1"), /permission denied for database/);
  await dropScratch(server, marks("rehearsal"));
});

test("what becomes live is the application's, and what was live is closed to it", async () => {
  await copyDatabase(server, "letta", marks("incoming"));
  assert.match(
    asLetta(next, "SELECT 1"),
    /too many connections for database|permission denied for database/,
  );
  assert.match(asLetta("letta", `DROP DATABASE ${next}`), /must be owner/);
  await admitRehearsal(server, next, randomBytes); // as a downgrade of a copy does
  const limit = "SELECT datconnlimit FROM pg_database WHERE datname = 'letta'";
  await tool("ALTER DATABASE letta CONNECTION LIMIT 50");
  await swapNames(server, [
    { from: "letta", to: marks("retained") },
    { from: next, to: marks("live") },
  ]);
  assert.equal(asLetta("letta", "ALTER TABLE agents ADD y int; SELECT count(*) FROM agents"), "1");
  assert.equal(await tool(limit), "50");
  assert.match(
    asLetta(retained, "SELECT 1"),
    /too many connections for database|permission denied for database/,
  );
  assert.match(asLetta("letta", `DROP DATABASE ${retained}`), /must be owner/);
  await tool("ALTER DATABASE letta CONNECTION LIMIT -1");
});

test("the rights come back, and can be taken again", async () => {
  await giveRolesBack(server);
  assert.equal((await server.roles()).kind, "superuser");
  assert.equal(asLetta("letta", "CREATE ROLE again; DROP ROLE again; SELECT 1"), "1");
  await takeOverRoles(server);
  assert.equal((await server.roles()).kind, "separate");
  assert.match(asLetta("letta", "CREATE ROLE again"), /permission denied/);
});

test("tables that stay locked leave everything as it was", async () => {
  await giveRolesBack(server);
  await tool("ALTER TABLE agents OWNER TO letta_admin");
  const lock = await server.database().hold("BEGIN; LOCK TABLE agents IN ACCESS SHARE MODE");
  await assert.rejects(takeOverRoles(server, 200), (error: Problem) => {
    assert.equal(error.code, "DATABASE_REFUSED");
    assert.match(error.details.join(), /lock timeout/);
    return true;
  });
  await lock();
  assert.equal((await server.roles()).kind, "superuser");
  await takeOverRoles(server);
});
