import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import {
  addressFault,
  addressSecrets,
  clientEnvironment,
} from "../../scripts/database/psqlClient.ts";
import {
  bundledServer,
  externalServer,
  interruptible,
  isLeftover,
  ownSession,
} from "../../scripts/database/sql.ts";
import type { CommandIo, CommandResult, OneShot } from "../../scripts/docker/engine.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

/** An engine that remembers what it was given and answers the same to everything. */
function recording(result: Partial<CommandResult> = {}) {
  const argvs: string[] = [];
  const environments: CommandIo["environment"][] = [];
  const users: CommandIo["user"][] = [];
  const keep = (argv: readonly string[], io: CommandIo = {}) => {
    argvs.push(argv.join(" "));
    environments.push(io.environment);
    users.push(io.user);
    return Promise.resolve({ code: 0, stdout: "", stderr: "", ...result });
  };
  const engine = {
    ...simulatedEngine(),
    exec: (_: string, argv: readonly string[], io?: CommandIo) => keep(argv, io),
    run: (shot: OneShot) => keep(shot.entrypoint, shot),
  };
  return { engine, argvs, environments, users };
}

const bundled = { container: "c", user: "letta", password: "secret123456", name: "letta" };
const uri =
  "postgresql://me:se^cret12345@db.example.com:6432/app?sslmode=require&options=-c%20a%3Db";

test("containers of the stack reach a bundled database by its service's name", () => {
  const server = bundledServer(simulatedEngine(), bundled);
  assert.equal(
    server.uri("letta_rehearsal"),
    "postgresql://letta:secret123456@postgres:5432/letta_rehearsal",
  );
});

test("another database outside has the same address but for its name, byte for byte", () => {
  const server = externalServer(simulatedEngine(), { uri, image: "i", network: "bridge" });
  assert.equal(server.name, "app");
  assert.equal(server.uri("app_next"), uri.replace("/app?", "/app_next?"));
});

test("no password stands in a command line", async () => {
  for (const make of [
    (engine: ReturnType<typeof recording>["engine"]) => bundledServer(engine, bundled),
    (engine: ReturnType<typeof recording>["engine"]) =>
      externalServer(engine, { uri, image: "i", network: "bridge" }),
  ]) {
    const { engine, argvs } = recording();
    const server = make(engine);
    await server.database().ask("SELECT 1");
    await server.client("x", ["pg_dump"]);
    assert.ok(argvs.length >= 2);
    assert.doesNotMatch(argvs.join(), /cret12345/);
  }
});

test("what a URI says of the connection reaches the clients, alongside what a command wants itself", async () => {
  const { engine, environments } = recording();
  const server = externalServer(engine, { uri, image: "i", network: "bridge" });
  await server.client("x", ["pg_restore"], { environment: { PGOPTIONS: "-c c=d" } });
  const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, PGOPTIONS } = environments[0]!;
  assert.deepEqual(
    [PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, PGOPTIONS],
    ["db.example.com", "6432", "me", "se^cret12345", "x", "require", "-c a=b -c c=d"],
  );
});

test("every parameter of a URI that libpq's clients have a variable for reaches them", async () => {
  const parameters = {
    sslmode: "verify-full",
    sslrootcert: "system",
    connect_timeout: "9",
    target_session_attrs: "read-write",
    application_name: "letta",
    keepalives_idle: "30",
    prepared_statement_cache_size: "0",
  };
  const query = new URLSearchParams(parameters).toString();
  const { environment, dropped } = clientEnvironment(`postgresql://a:b@c/d?${query}`);
  const { PGSSLMODE, PGSSLROOTCERT, PGCONNECT_TIMEOUT, PGTARGETSESSIONATTRS } = environment;
  assert.deepEqual(
    [PGSSLMODE, PGSSLROOTCERT, PGCONNECT_TIMEOUT, PGTARGETSESSIONATTRS],
    ["verify-full", "system", "9", "read-write"],
  );
  assert.deepEqual(dropped, ["keepalives_idle", "prepared_statement_cache_size"]);
  const { engine, environments } = recording();
  await externalServer(engine, { uri: `postgresql://a:b@c/d?${query}`, image: "i", network: "n" })
    .database()
    .ask("SELECT 1");
  assert.equal(environments[0]!["PGAPPNAME"], ownSession);
});

test("clients in the database's container are not its root user", async () => {
  const { engine, users } = recording();
  const server = bundledServer(engine, bundled);
  await server.database().ask("SELECT 1");
  await server.client("x", ["pg_dump"]);
  assert.ok(users.length >= 3);
  assert.deepEqual(new Set(users), new Set(["postgres"]));
});

test("an address that cannot be read is bad input, and is hidden all the same", () => {
  for (const password of ["pa#ss@word", "100%sure", "12/34567", "12?34567", "12#34567"]) {
    const address = `postgresql://u:${password}@h/db`;
    assert.throws(() => clientEnvironment(address), { code: "USAGE", exit: 2 });
    const hidden = addressSecrets(`${address}\n`);
    assert.ok(hidden.includes(address) && hidden.includes(password), password);
  }
  assert.ok(addressSecrets("postgresql://u:a%23bcdef@h/db").includes("a#bcdef"));
  assert.deepEqual(addressSecrets(""), []);
  for (const fine of ["postgresql://h/db", "postgresql://u:p%23@h/db?sslmode=require"])
    assert.equal(addressFault(fine), undefined);
});

test("an address of IPv6 loses its brackets", () => {
  const { environment } = clientEnvironment("postgresql://a:b@[fd00::1]/c");
  assert.equal(environment["PGHOST"], "fd00::1");
});

test("a failure is recognised by its SQLSTATE, in any language, and in Postgres' words on one line", async () => {
  const stderr = `FEHLER:  23505: doppelter Schlüsselwert
DETAIL:  Schlüssel »(id)=(1)« existiert bereits.
SCHEMA NAME:  public
LOCATION:  _bt_check_unique, nbtinsert.c:666
`;
  const { engine } = recording({ code: 3, stderr });
  assert.deepEqual(await bundledServer(engine, bundled).database().ask("INSERT"), {
    rows: [],
    state: "23505",
    message: "FEHLER: doppelter Schlüsselwert; DETAIL: Schlüssel »(id)=(1)« existiert bereits.",
  });
});

test("only a session of a process of this host that has ended is a leftover", () => {
  const { pid } = spawnSync(process.execPath, ["--version"]);
  const ended = ownSession.replace(/\d+$/, String(pid));
  for (const name of [ended, `${ended}/7`]) assert.ok(isLeftover(name), name);
  const elsewhere = ended.replace(/[0-9a-f]{12}/, (host) => [...host].reverse().join("x"));
  const others = [ownSession, `${ownSession}/7`, elsewhere, "letta-stack", "psql", ""];
  for (const name of others) assert.ok(!isLeftover(name), name);
});

/** An engine whose first command goes on until the session of its name is ended. */
function endless() {
  const ended: string[] = [];
  let end = (): void => undefined;
  const waits = new Promise<void>((resolve) => (end = resolve));
  let name: string | undefined;
  const exec = async (_: string, argv: readonly string[], io: CommandIo = {}) => {
    const script = String(io.stdin ?? "");
    if (argv[0] === "pg_dump") {
      name = io.environment!["PGAPPNAME"];
      await waits;
      return { code: 1, stdout: "", stderr: "terminating connection" };
    }
    if (script.includes("pg_terminate_backend")) {
      ended.push(script);
      if (script.includes(`'${name}'`)) end();
    }
    return { code: 0, stdout: "", stderr: "" };
  };
  return { engine: { ...simulatedEngine(), exec }, ended };
}

test("what is interrupted ends its own session, and that alone", async () => {
  const { engine, ended } = endless();
  const stop = new AbortController();
  const server = interruptible(bundledServer(engine, bundled), stop.signal);
  const dumping = server.client("letta", ["pg_dump"]);
  stop.abort();
  await assert.rejects(dumping, { name: "AbortError" });
  assert.ok(ended.length > 0);
  for (const script of ended)
    assert.ok(script.includes(`application_name = '${ownSession}/`), script);
});

test("what was interrupted before it began asks for nothing", async () => {
  const { engine, argvs } = recording();
  const server = interruptible(bundledServer(engine, bundled), AbortSignal.abort());
  await assert.rejects(server.client("letta", ["pg_dump"]), { name: "AbortError" });
  await assert.rejects(server.database().ask("SELECT 1"), { name: "AbortError" });
  assert.deepEqual(argvs, []);
});

test("an interruption changes nothing about what has succeeded or failed before it", async () => {
  const { engine } = recording({ code: 1, stderr: "ERROR:  42P01: no such table" });
  const stop = new AbortController();
  const server = interruptible(bundledServer(engine, bundled), stop.signal);
  assert.equal((await server.database().ask("SELECT 1")).state, "42P01");
});
