import assert from "node:assert/strict";
import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import test, { after, before } from "node:test";
import { promisify } from "node:util";
import type { Problem } from "../../scripts/common/problem.ts";
import { withoutBlockers } from "../../scripts/database/blockers.ts";
import { copyDatabase } from "../../scripts/database/makeDatabase.ts";
import { databaseName, databases, marksOf } from "../../scripts/database/databaseNames.ts";
import { dropScratch, swapNames } from "../../scripts/database/alterDatabases.ts";
import { otherSessions, unendable } from "../../scripts/database/sessions.ts";
import { bundledServer, externalServer } from "../../scripts/database/sql.ts";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";
import { docker } from "./workspace.ts";

// Sessions of others on a real PostgreSQL of its own: seen, named, ended, and locked out meanwhile.
const container = "letta-test-sessions";
const password = "sessions123456";
const engine = dockerEngine(endpoint(process.env), process.env);
const server = bundledServer(engine, { container, user: "letta", password, name: "letta" });
const marks = marksOf("f00dfacef00dface", { id: "000003", run: "0123456789abcdef" });
const copy = databaseName("letta", marks("incoming"));
let image = "";

const psqlOf = (user: string, database: string) => ["psql", "-U", user, "-d", database, "-qAt"];
const psql = (statements: string, database = "postgres") =>
  docker(
    "exec",
    container,
    ...psqlOf("letta", database),
    "-v",
    "ON_ERROR_STOP=1",
    "-c",
    statements,
  );

/** A session that says something and stays. */
function session(statement: string, { user = "letta", name = "psql" } = {}): ChildProcess {
  const argv = ["exec", "-i", "-e", `PGAPPNAME=${name}`, container, ...psqlOf(user, "letta")];
  const child = spawn("docker", argv, { stdio: ["pipe", "ignore", "ignore"] });
  child.stdin!.on("error", () => undefined); // it is ended by the database
  child.stdin!.write(`${statement};\n`);
  return child;
}

const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) =>
    child.exitCode === null ? child.once("exit", () => resolve()) : resolve(),
  );

async function until(query: string): Promise<void> {
  const limit = performance.now() + 20_000;
  while (psql(`SELECT ${query}`) !== "t") {
    assert.ok(performance.now() < limit, `${query} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const connected = (name: string, count: number) =>
  until(`count(*) >= ${count} FROM pg_stat_activity WHERE application_name = '${name}'`);

const names = async () => [...(await databases(server)).keys()].sort();

before(async () => {
  const format = "{{.Repository}}:{{.Tag}}";
  [image = ""] = docker("images", "letta-stack/postgres", "--format", format).split("\n");
  const set = { POSTGRES_USER: "letta", POSTGRES_DB: "letta", POSTGRES_PASSWORD: password };
  const environment = Object.entries(set).flatMap((pair) => ["-e", pair.join("=")]);
  // With an init of its own: an orphan of `exec` would become a child of Postgres, which takes its end
  // for a crash of its own.
  const flags = ["--init", "--name", container, "--tmpfs", "/var/lib/postgresql/data"];
  const options = ["fsync=off", "wal_level=logical", "max_prepared_transactions=2"];
  const given = options.flatMap((one) => ["-c", one]);
  docker("run", "-d", ...flags, ...environment, image, ...given);
  const asked = ["exec", "-e", `PGPASSWORD=${password}`, container, "psql", "-h", "127.0.0.1"];
  const answers = () => spawnSync("docker", [...asked, "-U", "letta", "-c", "SELECT 1"]).status;
  while (answers() !== 0) await new Promise((resolve) => setTimeout(resolve, 100));
  psql("CREATE TABLE agents (id int); INSERT INTO agents VALUES (1)", "letta");
});

after(() => spawnSync("docker", ["rm", "-f", "-v", container]));

test("idle sessions, open transactions and clients that connect again at once are ended for a copy and a swap", async () => {
  const idle = session("SELECT 1", { name: "left open" });
  const open = session("BEGIN; INSERT INTO agents VALUES (2)", { name: "in transaction" });
  const loop = `while :; do PGAPPNAME=loop ${psqlOf("letta", "letta").join(" ")} -c 'SELECT pg_sleep(30)'; done`;
  const loops = [1, 2, 3].map(() => spawn("docker", ["exec", container, "sh", "-c", loop]));
  await connected("left open", 1);
  await connected("in transaction", 1);
  await connected("loop", 3);
  const reported = await copyDatabase(server, "letta", marks("incoming"));
  // psql itself notices only when it says something next.
  await until(
    "count(*) = 0 FROM pg_stat_activity WHERE application_name IN ('left open', 'in transaction')",
  );
  for (const one of [idle, open]) one.stdin!.end();
  const applications = reported.map((one) => one.application);
  for (const one of ["left open", "in transaction", "loop"]) assert.ok(applications.includes(one));
  assert.equal(psql("SELECT count(*) FROM agents", copy), "1");
  await connected("loop", 3);
  await swapNames(server, [
    { from: "letta", to: marks("retained") },
    { from: copy, to: marks("live") },
  ]);
  assert.deepEqual(await names(), ["letta", "letta_retained_000003", "postgres"]);
  // They may connect again, to the database of that name.
  await connected("loop", 3);
  assert.equal(psql("SELECT count(*) FROM pg_database WHERE NOT datallowconn"), "1");
  spawnSync("docker", ["exec", container, "pkill", "-f", "while :"]);
  for (const one of loops) one.kill();
  psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'loop'");
  await until("count(*) = 0 FROM pg_stat_activity WHERE application_name = 'loop'");
  psql("DROP DATABASE letta_retained_000003 WITH (FORCE)");
});

test("a role without privileges sees who is there, and names whom it may not end", async () => {
  psql(
    `CREATE ROLE outsider LOGIN CREATEDB PASSWORD '${password}'; ALTER DATABASE letta OWNER TO outsider`,
  );
  const address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container);
  const uri = `postgresql://outsider:${password}@${address}:5432/letta?sslmode=disable`;
  const outside = externalServer(engine, { uri, image, network: "bridge" });
  const superuser = session("SELECT 1", { name: "superuser" });
  const own = session("SELECT 1", { user: "outsider", name: "exporter" });
  await connected("superuser", 1);
  await connected("exporter", 1);
  const others = await otherSessions(outside, []);
  const seen = others.sessions.map(({ application, mayEnd }) => [application, mayEnd] as const);
  assert.deepEqual(Object.fromEntries(seen), { superuser: false, exporter: true });
  assert.match(unendable(others).join("\n"), /pid \d+, letta, superuser.*pg_signal_backend/);
  const failure = await copyDatabase(outside, "letta", marks("incoming")).then(
    () => undefined,
    (error: Problem) => error,
  );
  assert.equal(failure?.code, "DATABASE_REFUSED");
  assert.match(failure.details.join("\n"), /connected to letta: pid \d+, letta, superuser/);
  await until("count(*) = 0 FROM pg_stat_activity WHERE application_name = 'exporter'");
  own.stdin!.end();
  superuser.stdin!.end();
  await ended(superuser);
  await copyDatabase(outside, "letta", marks("incoming"));
  await dropScratch(outside, marks("incoming"));
  psql("ALTER DATABASE letta OWNER TO letta");
});

for (const mayEnd of [true, false]) {
  test(`a session that keeps a migration from its lock is ${mayEnd ? "ended" : "named, and the migration with it ended"}`, async () => {
    const open = session("BEGIN; SELECT * FROM agents", { name: "left open" });
    await until(
      "count(*) = 1 FROM pg_stat_activity WHERE application_name = 'left open' AND state = 'idle in transaction'",
    );
    const address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container);
    const notes: string[] = [];
    const surroundings = {
      now: () => performance.now(),
      reporter: { note: (text: string) => void notes.push(text) },
    };
    const alter = `ALTER TABLE agents ADD made_${String(mayEnd)} int`;
    const argv = ["psql", "-h", address, "-U", "letta", "-d", "letta", "-qc", alter];
    const ran = await withoutBlockers({ server, addresses: [address], mayEnd }, surroundings, () =>
      promisify(execFile)("docker", ["exec", "-e", `PGPASSWORD=${password}`, container, ...argv]),
    ).then(
      () => undefined,
      (error: Problem) => error,
    );
    const columns = psql(
      `SELECT count(*) FROM pg_attribute WHERE attrelid = 'agents'::regclass AND attname = 'made_${String(mayEnd)}'`,
      "letta",
    );
    open.stdin!.end();
    if (mayEnd) {
      assert.equal(ran, undefined);
      assert.match(
        notes.join("\n"),
        /ended sessions that blocked the migration: pid \d+, letta, left open/,
      );
    } else {
      assert.equal(ran?.code, "STEP_FAILED");
      assert.match(
        ran.details.join("\n"),
        /blocked by pid \d+, letta, left open.*idle in transaction/,
      );
      assert.match(ran.next!, /--end-sessions/);
    }
    assert.equal(columns, mayEnd ? "1" : "0");
    await ended(open);
  });
}

test("replication slots and prepared transactions are named with their cure", async () => {
  psql("SELECT pg_create_logical_replication_slot('cdc', 'test_decoding')", "letta");
  psql("BEGIN; INSERT INTO agents VALUES (3); PREPARE TRANSACTION 'half'", "letta");
  const cures = unendable(await otherSessions(server, [])).join("\n");
  assert.match(cures, /replication slot cdc .*pg_drop_replication_slot\('cdc'\)/);
  assert.match(cures, /prepared transaction half of letta.*ROLLBACK PREPARED/);
  psql("ROLLBACK PREPARED 'half'", "letta");
  psql("SELECT pg_drop_replication_slot('cdc')", "letta");
  assert.deepEqual(unendable(await otherSessions(server, [])), []);
});

test("a database made with other collations, which Postgres will not copy, is named with the cure", async () => {
  psql("UPDATE pg_database SET datcollversion = '2.31' WHERE datname = 'letta'");
  const cures = unendable(await otherSessions(server, [])).join("\n");
  assert.match(
    cures,
    /collation version 2\.31, the image has none: REINDEX DATABASE, then UPDATE pg_database/,
  );
  psql("UPDATE pg_database SET datcollversion = NULL WHERE datname = 'letta'");
  assert.deepEqual(unendable(await otherSessions(server, [])), []);
});
