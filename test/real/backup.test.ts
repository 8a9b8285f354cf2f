import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, afterEach, before } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { copyIntoSchema } from "../../scripts/database/copyIntoSchema.ts";
import { compareSchemas, readSchema } from "../../scripts/database/schema.ts";
import { copyDatabase, createDatabase } from "../../scripts/database/makeDatabase.ts";
import {
  databaseName,
  databases,
  type Mark,
  marksOf,
} from "../../scripts/database/databaseNames.ts";
import { clearScratch, dropScratch, swapNames } from "../../scripts/database/alterDatabases.ts";
import { assertRestored, dump, invalidIndexes } from "../../scripts/database/dump.ts";
import { estimateTables } from "../../scripts/database/countTables.ts";
import {
  bundledServer,
  type DatabaseServer,
  externalServer,
  interruptible,
} from "../../scripts/database/sql.ts";
import { pgRestore, restoreDump } from "../../scripts/database/restoreDump.ts";
import { retainedText, rowsOnlyIn, rowsSince } from "../../scripts/database/rowsOnlyIn.ts";
import { estimateLoss } from "../../scripts/database/planCopy.ts";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";
import { takeConnections } from "./takeConnections.ts";
import { docker } from "./workspace.ts";

// A real PostgreSQL of its own, asked as the bundled one is and, once, as one outside.
const container = "letta-test-backup";
const password = "backup123456";
const engine = dockerEngine(endpoint(process.env), process.env);
const server = bundledServer(engine, { container, user: "letta", password, name: "letta" });
const folder = mkdtempSync(join(tmpdir(), "letta bäckup "));
const revisionQuery = "SELECT version_num FROM alembic_version ORDER BY 1;";
const marks = marksOf("f00dfacef00dface", { id: "000003", run: "0123456789abcdef" });
const nameOf = (mark: Mark) => databaseName("letta", mark);
const [rehearsal, into, retained] = [
  nameOf(marks("rehearsal")),
  nameOf(marks("incoming")),
  nameOf(marks("retained")),
];
const drill = "letta_drill";
let image = "";
let made = 0;

/** Everything a name, a column or a database's settings can be that one would rather not meet. */
const fixture = `
CREATE EXTENSION vector;
CREATE SCHEMA "Létta's Daten";
ALTER DATABASE letta SET search_path TO "Létta's Daten", public;
ALTER DATABASE letta SET datestyle = 'SQL, DMY';
ALTER DATABASE letta SET idle_in_transaction_session_timeout = '100ms';
ALTER ROLE letta IN DATABASE letta SET work_mem = '5MB';
REVOKE CONNECT ON DATABASE letta FROM PUBLIC;
SET search_path TO "Létta's Daten", public;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a1b2');
CREATE TYPE "Mood" AS ENUM ('so so', 'it''s fine');
CREATE TABLE "Odd ""One""; DROP" (
  "select" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "Grüße :x" text,
  bytes bytea, doc jsonb, raw json, embedding vector(3), mood "Mood", tags text[],
  seen timestamptz, age interval, ratio float8,
  twice int GENERATED ALWAYS AS (length("Grüße :x") * 2) STORED,
  parent int REFERENCES "Odd ""One""; DROP"
);
INSERT INTO "Odd ""One""; DROP" ("Grüße :x", bytes, doc, raw, embedding, mood, tags, seen, age, ratio, parent)
SELECT E'tab\\t\\\\. \\n' || n, decode('00ff0a5c', 'hex'), '{"a": [1, null, "\\n"]}', '{"b":  2}', '[1,2.5,-3]',
  'it''s fine', ARRAY['x,y', NULL, '"'], '2026-02-03 04:05:06.789+02', '1 mon -2 days', 0.1 + 0.2 * n, nullif(n - 1, 0)
FROM generate_series(1, 500) n;
INSERT INTO "Odd ""One""; DROP" DEFAULT VALUES;
CREATE TABLE "ORDER" (id serial PRIMARY KEY, "user" int);
CREATE TABLE "user" (id int PRIMARY KEY, "ORDER" int NOT NULL REFERENCES "ORDER");
INSERT INTO "ORDER" ("user") VALUES (7), (7);
INSERT INTO "user" VALUES (7, 2);
ALTER TABLE "ORDER" ADD CONSTRAINT "a circle" FOREIGN KEY ("user") REFERENCES "user";
CREATE TABLE empty (a int, b text DEFAULT 'x');
CREATE TABLE parted (at int, what text) PARTITION BY RANGE (at);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted SELECT n, 'part' FROM generate_series(1, 19) n;
CREATE UNIQUE INDEX "by what" ON "ORDER" (lower("user"::text), id) WHERE id > 0;
CREATE VIEW overview AS SELECT count(*) FROM "user";
`;

const psql = (database: string, statements: string) =>
  docker(
    "exec",
    container,
    "psql",
    "-U",
    "letta",
    "-d",
    database,
    "-v",
    "ON_ERROR_STOP=1",
    "-qAtc",
    statements,
  );

/** The rows of a database as pg_dump writes them, which no two different ones share. */
const contents = (database: string) =>
  docker(
    "exec",
    container,
    "pg_dump",
    "-U",
    "letta",
    "-d",
    database,
    "--data-only",
    "--inserts",
  ).replaceAll(/^\\(un)?restrict .*$/gm, "");

const address = () => docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container);

async function taken(from: DatabaseServer = server, database = "letta") {
  const path = join(folder, `${(made += 1)}.dump`);
  return { path, manifest: await dump(from, { database, path, revisionQuery }) };
}

async function until(holds: () => boolean) {
  for (let tries = 0; !holds(); tries += 1) {
    assert.ok(tries < 50, `${holds.toString()} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const names = async () => [...(await databases(server)).keys()].sort();

/** A database as the tests of a rollback want it: `base`, and what came after the dump. */
async function live(base: string, since: string) {
  psql("postgres", `CREATE DATABASE ${drill} TEMPLATE template0`);
  psql(
    drill,
    `CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('old');${base}`,
  );
  const file = await taken(server, drill);
  psql(drill, `UPDATE alembic_version SET version_num = 'new';${since}`);
  return { name: drill, file };
}

const carry = ({ name, file }: Awaited<ReturnType<typeof live>>, ...fromDump: string[]) =>
  copyIntoSchema(server, { from: name, dump: file, mark: marks("incoming"), fromDump });

before(async () => {
  const format = "{{.Repository}}:{{.Tag}}";
  [image = ""] = docker("images", "letta-stack/postgres", "--format", format).split("\n");
  const set = { POSTGRES_USER: "letta", POSTGRES_DB: "letta", POSTGRES_PASSWORD: password };
  const environment = Object.entries(set).flatMap((pair) => ["-e", pair.join("=")]);
  // Nothing of it has to outlive the test.
  const flags = ["--name", container, "--tmpfs", "/var/lib/postgresql/data"];
  docker("run", "-d", ...flags, ...environment, image, "-c", "fsync=off");
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      docker(
        "exec",
        "-e",
        `PGPASSWORD=${password}`,
        container,
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        "letta",
        "-c",
        "SELECT 1",
      );
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  psql("letta", fixture);
});
after(() => {
  docker("rm", "-f", "-v", container);
  rmSync(folder, { recursive: true });
});

afterEach(async () => {
  psql("postgres", `DROP DATABASE IF EXISTS ${drill} WITH (FORCE)`);
  for (const one of ["rehearsal", "incoming"] as const) await dropScratch(server, marks(one));
});

test("a dump restores to the same rows, schema and revision, whatever their names and values", async () => {
  const file = await taken();
  assert.equal(file.manifest.rows[`"Létta's Daten"."Odd ""One""; DROP"`], 501);
  assert.equal(file.manifest.rows[`"Létta's Daten".empty`], 0);
  assert.equal(file.manifest.rows[`"Létta's Daten".parted`], 19);
  assert.deepEqual(file.manifest.revision, ["a1b2"]);
  await restoreDump(server, file, marks("rehearsal"));
  await assertRestored(server.database(rehearsal), file.manifest, revisionQuery);
  const [before, after] = await Promise.all(
    ["letta", rehearsal].map((name) => readSchema(server.database(name))),
  );
  assert.deepEqual(after, before);
  assert.equal(contents(rehearsal), contents("letta"));
  psql(
    rehearsal,
    `DELETE FROM parted WHERE at = 1; UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"by what"'::regclass`,
  );
  await assert.rejects(assertRestored(server.database(rehearsal), file.manifest, revisionQuery), {
    code: "BACKUP_DAMAGED",
    details: [
      `"Létta's Daten".parted: expected 19 rows, got 18 rows`,
      `"Létta's Daten"."by what": expected a valid index`,
    ],
  });
  assert.deepEqual(await invalidIndexes(server.database(rehearsal)), [`"Létta's Daten"."by what"`]);
});

test("a dump is readable by its owner alone, and neither it nor its manifest holds a password's hash", async () => {
  const { path, manifest } = await taken();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(manifest.globals ?? "", /CREATE ROLE letta/);
  assert.doesNotMatch(JSON.stringify(manifest), /SCRAM-SHA|backup123456/);
  assert.ok(!existsSync(`${path}.new`));
});

test("a database's own settings come with its dump and with its copy, which take no connections", async () => {
  const settings = (name: string) =>
    psql(
      "postgres",
      `SELECT coalesce(rolname, ''), setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
      LEFT JOIN pg_roles r ON r.oid = setrole WHERE datname = '${name}' ORDER BY 1`,
    );
  const closed = () =>
    psql(
      "postgres",
      `SELECT datconnlimit, pg_get_userbyid(datdba) FROM pg_database WHERE datname = '${rehearsal}'`,
    );
  psql("postgres", "CREATE ROLE guest");
  psql("postgres", "ALTER DATABASE letta CONNECTION LIMIT 7; ALTER DATABASE letta OWNER TO guest");
  const expected = settings("letta");
  assert.match(expected, /Létta's Daten.*\n.*work_mem/s);
  await restoreDump(server, await taken(), marks("rehearsal"));
  assert.equal(settings(rehearsal), expected);
  // The owner and the limit of the live database are for what becomes live: see test/real/roles.test.ts.
  assert.equal(closed(), "0|letta");
  await dropScratch(server, marks("rehearsal"));
  await copyDatabase(server, "letta", marks("rehearsal"));
  assert.equal(settings(rehearsal), expected);
  assert.equal(closed(), "0|letta");
  assert.equal(contents(rehearsal), contents("letta"));
  psql("postgres", "ALTER DATABASE letta OWNER TO letta; ALTER DATABASE letta CONNECTION LIMIT -1");
});

test("rows written while it runs do not come between a dump and its counts", async () => {
  psql("letta", "CREATE TABLE busy (n int)");
  const writing =
    "DO $$ BEGIN FOR i IN 1..1e6 LOOP INSERT INTO busy SELECT generate_series(1, 5); COMMIT; PERFORM pg_sleep(0.001); END LOOP; END $$";
  const writer = spawn("docker", [
    "exec",
    container,
    "psql",
    "-U",
    "letta",
    "-d",
    "letta",
    "-c",
    writing,
  ]);
  const ended = new Promise((resolve) => writer.once("close", resolve));
  const busy = () => Number(psql("letta", "SELECT count(*) FROM busy"));
  await until(() => busy() > 0);
  const before = busy();
  const file = await taken();
  const after = busy();
  psql("letta", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %'");
  await ended;
  const counted = file.manifest.rows[`"Létta's Daten".busy`]!;
  assert.ok(before < counted && counted < after, `${before}, ${counted}, ${after}`);
  await restoreDump(server, file, marks("rehearsal"));
  await assertRestored(server.database(rehearsal), file.manifest, revisionQuery);
  await dropScratch(server, marks("rehearsal"));
  const total = Number(psql("letta", "SELECT count(*) FROM busy"));
  assert.deepEqual(await rowsSince(server.database(), file.manifest), [
    {
      table: `"Létta's Daten".busy`,
      dumped: counted,
      now: total,
      atLeast: total - counted,
      isEstimate: false,
    },
  ]);
  psql("letta", "DROP TABLE busy");
});

test("a dump ends at once when it is interrupted, and so does its session", async () => {
  psql("letta", "CREATE TABLE slow (n int)");
  const locker = spawn("docker", ["exec", "-i", container, "psql", "-U", "letta", "-d", "letta"]);
  locker.stdin.write(
    "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE slow IN ACCESS EXCLUSIVE MODE;\n",
  );
  await until(
    () =>
      psql(
        "letta",
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'slow'::regclass",
      ) === "1",
  );
  const stop = new AbortController();
  const dumping = taken(interruptible(server, stop.signal));
  const ours =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'letta-stack %' AND datname = 'letta'";
  await until(() => psql("postgres", `${ours} AND wait_event_type = 'Lock'`) !== "0");
  stop.abort();
  const started = performance.now();
  await assert.rejects(dumping, { name: "AbortError" });
  assert.ok(performance.now() - started < 5000);
  assert.equal(psql("postgres", ours), "0");
  const ended = new Promise((resolve) => locker.once("close", resolve));
  locker.stdin.end();
  await ended;
  psql("letta", "DROP TABLE slow");
});

test("large objects are refused before rows are copied without them", async () => {
  const file = await taken();
  psql("letta", "SELECT lo_from_bytea(4711, 'x')");
  const asked = { from: "letta", dump: file, mark: marks("incoming"), fromDump: [] };
  await assert.rejects(copyIntoSchema(server, asked), {
    message: /expected no large objects, got 1/,
  });
  psql("letta", "SELECT lo_unlink(4711)");
});

test("rows that only a retained database has are distinguished by their keys", async () => {
  await copyDatabase(server, "letta", marks("rehearsal"));
  const odd = `"Létta's Daten"."Odd ""One""; DROP"`;
  psql(
    rehearsal,
    `DELETE FROM ${odd} WHERE "select" IN (500, 501);
    INSERT INTO ${odd} DEFAULT VALUES; INSERT INTO ${odd} DEFAULT VALUES`,
  );
  const reported = retainedText(await rowsOnlyIn(server, rehearsal));
  const uncompared = `"Létta's Daten".parted`;
  assert.equal(
    reported,
    `at least 2 rows are only in ${rehearsal}; of ${uncompared} only the numbers of rows were compared`,
  );
  await dropScratch(server, marks("rehearsal"));
});

test("large tables are estimated, small ones counted, whatever statistics there are", async () => {
  psql(
    "letta",
    `CREATE TABLE "La rge" WITH (autovacuum_enabled = false) AS SELECT n, repeat('x', 200) AS body FROM generate_series(1, 200000) n;
    CREATE TABLE wide (at int, body text) PARTITION BY RANGE (at);
    CREATE TABLE wide_1 PARTITION OF wide FOR VALUES FROM (0) TO (100000);
    CREATE TABLE wide_2 PARTITION OF wide FOR VALUES FROM (100000) TO (300000);
    INSERT INTO wide SELECT n, repeat('x', 200) FROM generate_series(1, 200000) n; ANALYZE wide`,
  );
  const of = async (name: string) => {
    const tables = await estimateTables(server.database(name));
    return ["La rge", "empty", "wide"].map((one) =>
      tables.find(({ table }) => table.endsWith(`.${one}`) || table.endsWith(`."${one}"`)),
    );
  };
  const near = (rows: number | null | undefined) =>
    assert.ok(Math.abs(rows! - 200_000) < 10_000, `${rows}`);
  const [large, empty, wide] = await of("letta");
  near(large!.rows);
  near(wide!.rows);
  assert.ok(large!.isEstimate && wide!.isEstimate);
  assert.deepEqual([empty!.rows, empty!.isEstimate], [0, false]);
  // A copy has what ANALYZE found, and no running count.
  await copyDatabase(server, "letta", marks("rehearsal"));
  const [unanalyzed, , copied] = await of(rehearsal);
  near(copied!.rows);
  assert.deepEqual(unanalyzed, { table: `"Létta's Daten"."La rge"`, rows: null, isEstimate: true });
  await dropScratch(server, marks("rehearsal"));
  psql("letta", `DROP TABLE "La rge"; DROP TABLE wide`);
});

test("a dump with a flipped byte, a lost end or no file at all is refused before anything is made", async () => {
  const { path, manifest } = await taken();
  const bytes = readFileSync(path);
  const damaged = async (what: string, change: () => void, words: RegExp) => {
    change();
    await assert.rejects(
      restoreDump(server, { path, manifest }, marks("rehearsal")),
      (error: Problem) => {
        assert.equal(error.code, "BACKUP_DAMAGED", what);
        assert.match(error.details.join(), words);
        return true;
      },
    );
  };
  const flipped = Buffer.from(bytes);
  flipped[bytes.length >> 1]! ^= 1;
  await damaged("flipped", () => writeFileSync(path, flipped), /expected the SHA-256/);
  await damaged("cut", () => writeFileSync(path, bytes.subarray(0, -9)), /expected \d+ bytes, got/);
  await damaged("gone", () => rmSync(path), /ENOENT/);
  assert.ok(!(await names()).includes(rehearsal));
});

test("an archive that pg_restore cannot read to its end leaves no database behind", async () => {
  const { path, manifest } = await taken();
  const cut = readFileSync(path).subarray(0, -2000);
  writeFileSync(path, cut);
  const { createHash } = await import("node:crypto");
  const sha256 = createHash("sha256").update(cut).digest("hex");
  const file = { path, manifest: { ...manifest, sha256, bytes: cut.length } };
  await assert.rejects(restoreDump(server, file, marks("rehearsal")), { code: "DATABASE_REFUSED" });
  assert.ok(!(await names()).includes(rehearsal));
});

test("names and marks are swapped all together or not at all, and what is retained cannot be dropped", async () => {
  const markOf = async (name: string) => (await databases(server)).get(name)?.mark;
  const swapIn = (from: string) =>
    swapNames(server, [
      { from: "letta", to: marks("retained") },
      { from, to: marks("live") },
    ]);
  await createDatabase(server, marks("incoming"));
  assert.deepEqual(await markOf(into), marks("incoming"));
  await assert.rejects(swapIn("nowhere"), { code: "DATABASE_REFUSED" });
  assert.deepEqual(await names(), ["letta", into, "postgres"]);
  assert.equal(await markOf("letta"), undefined);
  await swapIn(into);
  assert.equal(psql(retained, "SELECT version_num FROM alembic_version"), "a1b2");
  assert.deepEqual(await markOf(retained), marks("retained"));
  assert.deepEqual(await markOf("letta"), marks("live"));
  await assert.rejects(dropScratch(server, marks("retained")), { code: "STATE_UNUSABLE" });
  await clearScratch(server, marks("retained").installation);
  assert.deepEqual(await names(), ["letta", retained, "postgres"]);
  await swapNames(server, [
    { from: "letta", to: marks("incoming") },
    { from: retained, to: marks("live") },
  ]);
  await dropScratch(server, marks("incoming"));
  psql("postgres", "COMMENT ON DATABASE letta IS NULL");
});

test("a database of a scratch name without this installation's mark is left, and a killed creation is not", async () => {
  const making = `letta_making_${marks("rehearsal").installation}`;
  psql("postgres", `CREATE DATABASE ${rehearsal}`);
  psql("postgres", `CREATE DATABASE ${making}`);
  const others = { ...marks("incoming"), installation: "another" };
  await createDatabase(server, others);
  await clearScratch(server, marks("rehearsal").installation);
  assert.deepEqual(await names(), ["letta", into, rehearsal, "postgres"]);
  for (const one of ["rehearsal", "incoming"] as const) {
    await assert.rejects(dropScratch(server, marks(one)), { code: "STATE_UNUSABLE" }, one);
    await assert.rejects(createDatabase(server, marks(one)), { code: "DATABASE_REFUSED" }, one);
  }
  psql("postgres", `DROP DATABASE ${rehearsal}`);
  await clearScratch(server, others.installation);
  psql("postgres", `CREATE DATABASE ${making}`);
  await copyDatabase(server, "letta", marks("rehearsal"));
  assert.deepEqual(await names(), ["letta", rehearsal, "postgres"]);
  await dropScratch(server, marks("rehearsal"));
});

test("what a migration changed is reported line by line", async () => {
  const { name } = await live(
    "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE agents (id int PRIMARY KEY, x text NOT NULL, y int, z mood); CREATE TABLE old (a int)",
    "",
  );
  const before = await readSchema(server.database(name));
  psql(
    name,
    `CREATE TABLE fresh (id int PRIMARY KEY REFERENCES agents);
    ALTER TABLE agents ADD foo text, ADD bar int NOT NULL DEFAULT 3, ALTER x DROP NOT NULL;
    CREATE INDEX "Agents by x" ON agents (x)`,
  );
  const between = await readSchema(server.database(name));
  const { added, ...others } = compareSchemas(before, between);
  assert.deepEqual(
    { added: [...added].sort(), ...others },
    {
      added: [
        "table fresh added",
        "column agents.foo (text) added",
        "column agents.bar (integer) added",
        'index "Agents by x" added',
      ].sort(),
      dropped: [],
      changed: ["column agents.x lost NOT NULL"],
      additive: true,
      notAdditive: [],
    },
  );
  psql(
    name,
    `ALTER TYPE mood ADD VALUE 'b'; DROP TABLE old; ALTER TABLE agents ADD "must have" text[] NOT NULL, DROP foo,
    ALTER y TYPE bigint, ALTER y SET NOT NULL, ALTER bar SET DEFAULT 4, ADD CHECK (y > 0);
    CREATE UNIQUE INDEX one ON agents (bar); CREATE VIEW v AS SELECT 1;
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER t BEFORE INSERT ON agents EXECUTE FUNCTION f()`,
  );
  const { notAdditive } = compareSchemas(between, await readSchema(server.database(name)));
  assert.deepEqual([...notAdditive].sort(), [
    "column agents.bar changed its default from 3 to 4",
    "column agents.foo (text) dropped",
    "column agents.must have (text[]) added without a default for its NOT NULL",
    "column agents.y became NOT NULL",
    "column agents.y changed its type from integer to bigint",
    "constraint agents agents_y_check added",
    "enum mood gained b",
    "function f() added",
    "index one added",
    "table old dropped",
    "trigger t on public.agents added",
    "view v added",
  ]);
});

test("the rows of now go into the schema of the dump, and what has no place there is counted", async () => {
  const base = fixture
    .replaceAll("DATABASE letta", `DATABASE ${drill}`)
    .replace("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);", "")
    .replace("INSERT INTO alembic_version VALUES ('a1b2');", "");
  const place = await live(
    `${base} CREATE TABLE dropped (a int); INSERT INTO dropped VALUES (1);
    CREATE TABLE "Fixed" (id int PRIMARY KEY, a text); INSERT INTO "Fixed" VALUES (1, 'of then');`,
    `SET search_path TO "Létta's Daten", public; SET datestyle = 'ISO';
    INSERT INTO "Odd ""One""; DROP" ("Grüße :x") SELECT 'new' FROM generate_series(1, 7);
    ALTER TABLE "Odd ""One""; DROP" ADD "New ""col""" text; UPDATE "Odd ""One""; DROP" SET "New ""col""" = 'x' WHERE parent = 4;
    CREATE TABLE "New ""table""" (a int); INSERT INTO "New ""table""" VALUES (1), (2);
    INSERT INTO "ORDER" ("user") VALUES (NULL); DROP TABLE dropped; ALTER TABLE empty DROP b;
    UPDATE "Fixed" SET a = 'of now';`,
  );
  const odd = `"Létta's Daten"."Odd ""One""; DROP"`;
  const loss = [
    { table: `"Létta's Daten"."New ""table"""`, rows: 2 },
    { table: odd, column: 'New "col"', rows: 1 },
  ];
  const done = await carry(place, "Fixed");
  assert.deepEqual(done.noPlace, loss);
  assert.deepEqual(done.unfilled, [
    { table: `"Létta's Daten".dropped` },
    { table: `"Létta's Daten".empty`, column: "b" },
  ]);
  assert.deepEqual(done.fromDump, { [`"Létta's Daten"."Fixed"`]: 1, "public.alembic_version": 1 });
  assert.equal(done.copied[odd], 508);
  assert.equal(done.copied[`"Létta's Daten".parted`], 19);
  const [old, now] = await Promise.all(
    [into, place.name].map((name) => readSchema(server.database(name))),
  );
  assert.deepEqual(
    await estimateLoss(server.database(place.name), { old: old!, live: now! }),
    loss,
  );
  const values = `SELECT md5(string_agg(t::text, '' ORDER BY "select")) FROM
    (SELECT "select", "Grüße :x", bytes, doc, raw::text, embedding, mood, tags, seen, age, ratio, twice, parent FROM ${odd}) t`;
  assert.equal(psql(into, values), psql(place.name, values));
  assert.equal(
    psql(into, `SELECT a FROM "Fixed"; SELECT version_num FROM alembic_version`),
    "of then\nold",
  );
  // Counters go on where the live database is.
  assert.equal(
    psql(
      into,
      `INSERT INTO "ORDER" DEFAULT VALUES RETURNING id; INSERT INTO ${odd} DEFAULT VALUES RETURNING "select"`,
    ),
    "4\n509",
  );
  await dropScratch(server, marks("incoming"));
  await assert.rejects(carry(place, "fixd"), { code: "USAGE", details: ["Fixed?"] });
  assert.ok(!(await names()).includes(into));
});

const unfit: [what: string, base: string, since: string, words: RegExp][] = [
  [
    "whose foreign key cannot hold",
    "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int CONSTRAINT to_a REFERENCES a)",
    "ALTER TABLE b DROP CONSTRAINT to_a; INSERT INTO b VALUES (41)",
    /violates foreign key constraint "to_a".*Key \(a\)=\(41\) is not present in table "a"/s,
  ],
  [
    "that the old schema wants a value in",
    "CREATE TABLE a (id int, secret text, must text NOT NULL)",
    "ALTER TABLE a ALTER must DROP NOT NULL; INSERT INTO a VALUES (1, 'hidden')",
    /null value in column "must" of relation "a".*COPY a, line 1/s,
  ],
  [
    "with a label that the old schema does not know, among a lot of others",
    "CREATE TYPE mood AS ENUM ('old'); CREATE TABLE a (id int, secret text, mood mood)",
    "ALTER TYPE mood ADD VALUE 'new'; COMMIT; INSERT INTO a VALUES (1, 'hidden', 'new'); INSERT INTO a SELECT n, repeat('hidden', 50), 'old' FROM generate_series(1, 100000) n",
    /invalid input value for enum public.mood: "new".*COPY a, line 1, column mood/s,
  ],
];
for (const [what, base, since, words] of unfit) {
  test(`a row ${what} is refused in Postgres' words, and no database is left behind`, async () => {
    const place = await live(base, since);
    await assert.rejects(carry(place), (error: Problem) => {
      assert.equal(error.code, "DATABASE_REFUSED", String(error));
      assert.match(error.details.join("\n"), words);
      assert.doesNotMatch(error.details.join("\n"), /hidden/);
      return true;
    });
    assert.ok(!(await names()).includes(into));
  });
}

test("a database outside, known by its address and no superuser's, is dumped, restored and carried alike", async () => {
  psql("postgres", "CREATE ROLE outsider LOGIN CREATEDB PASSWORD 'out^side12345'");
  psql("postgres", 'CREATE DATABASE "Out side" OWNER outsider');
  psql(
    "Out side",
    `SET ROLE outsider; CREATE TABLE alembic_version (version_num text);
    INSERT INTO alembic_version VALUES ('c3'); CREATE TABLE "A b" (e text); INSERT INTO "A b" VALUES ('ß')`,
  );
  const uri = `postgresql://outsider:out^side12345@${address()}:5432/Out%20side?sslmode=disable`;
  const outside = externalServer(engine, { uri, image, network: "bridge" });
  assert.equal(outside.name, "Out side");
  assert.equal(
    outside.uri("other"),
    `postgresql://outsider:out^side12345@${address()}:5432/other?sslmode=disable`,
  );
  const file = await taken(outside, outside.name);
  assert.deepEqual(file.manifest.rows, { 'public."A b"': 1, "public.alembic_version": 1 });
  const [copy, next] = [marks("verification"), marks("incoming")];
  await restoreDump(outside, file, copy);
  await assertRestored(
    outside.database(databaseName(outside.name, copy)),
    file.manifest,
    revisionQuery,
  );
  const asked = { from: outside.name, dump: file, mark: next, fromDump: [] };
  assert.deepEqual((await copyIntoSchema(outside, asked)).copied, { 'public."A b"': 1 });
  for (const one of [copy, next]) await dropScratch(outside, one);
});

test("a dump that cannot be taken whole leaves no file, whether the counting fails or pg_dump itself", async () => {
  psql("postgres", `CREATE ROLE half LOGIN PASSWORD '${password}'`);
  psql("postgres", "CREATE DATABASE half OWNER half");
  const uri = `postgresql://half:${password}@${address()}:5432/half`;
  const outside = externalServer(engine, { uri, image, network: "bridge" });
  const path = join(folder, "refused.dump");
  for (const [made, words] of [
    ["SEQUENCE unread", /^query failed: ERROR: permission denied for sequence unread/],
    ["TABLE uncounted ()", /^ERROR: permission denied for table uncounted$/],
  ] as const) {
    psql("half", `CREATE ${made}`);
    const taking = dump(outside, { database: "half", path, revisionQuery });
    await assert.rejects(taking, (error: Problem) => {
      assert.equal(error.code, "DATABASE_REFUSED");
      assert.match(error.details[0] ?? "", words);
      return true;
    });
    assert.ok(!existsSync(path) && !existsSync(`${path}.new`));
  }
});

test("while every connection is taken, a dump and a restore wait for one", async () => {
  const { path, manifest } = await taken();
  await createDatabase(server, marks("incoming"));
  await takeConnections(container, 5);
  const [again] = await Promise.all([taken(), pgRestore(server, into, path)]);
  assert.deepEqual(again.manifest.rows, manifest.rows);
  assert.equal(contents(into), contents("letta"));
});
