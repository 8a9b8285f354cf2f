import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { externalServer, guardedServer } from "../../scripts/database/sql.ts";
import { takeDatabaseLock } from "../../scripts/database/takeDatabaseLock.ts";
import type { Ended, Engine, OneShot } from "../../scripts/docker/engine.ts";

const uri = "postgresql://ann:secret@db.example/letta";
const line = (...columns: string[]) => columns.join("\u001f");
const holder = [
  "holder",
  "71",
  "letta-stack deploy:prod bob@two 9f8e7d6c",
  "10.0.0.5",
  "2026-01-02T03:04:05Z",
];

/** A server outside whose sessions say these things, one after the other. */
function serverSaying(...said: (string | Ended)[]) {
  const shots: OneShot[] = [];
  let released = 0;
  const stay: Engine["stay"] = async (shot) => {
    shots.push(shot);
    const now = said.length > 1 ? said.shift()! : said[0]!;
    if (typeof now !== "string") return now;
    return {
      said: now,
      isAlive: () => Promise.resolve(true),
      release: async () => void (released += 1),
    };
  };
  const engine = { stay } as Partial<Engine> as Engine;
  const server = externalServer(engine, { uri, image: "postgres", network: "bridge" });
  return { server, shots, released: () => released };
}

const never = new AbortController().signal;
const options = {
  holder: "deploy:prod ann@one 1a2b3c4d",
  wait: false,
  onWait: () => undefined,
  signal: never,
};

const refused = (work: Promise<unknown>) =>
  work.then(
    () => assert.fail("it was not refused"),
    (error: Problem) => error,
  );

test("the lock is a session alongside the database, which a rename and a copy leave alone", async () => {
  const { server, shots } = serverSaying(line("lock", "t"));
  await takeDatabaseLock(server, options);
  assert.equal(shots[0]!.environment!["PGDATABASE"], "postgres");
  assert.match(
    String(shots[0]!.stdin),
    /application_name = 'letta-stack deploy:prod ann@one 1a2b3c4d'/,
  );
  assert.ok(!JSON.stringify(shots[0]!.entrypoint).includes("secret"));
});

test("the second host learns who holds the database, from where and since when", async () => {
  const { server, released } = serverSaying(`${line("lock", "f")}\n${line(...holder)}`);
  const problem = await refused(takeDatabaseLock(server, options));
  assert.deepEqual([problem.code, problem.exit], ["LOCKED", 6]);
  for (const fact of [
    "deploy:prod bob@two",
    "9f8e7d6c",
    "10.0.0.5",
    "2026-01-02T03:04:05Z",
    "letta",
  ])
    assert.ok(problem.message.includes(fact), problem.message);
  assert.equal(released(), 1);
});

test("a waiting run reports once whom it waits for, and has it when that one ends", async () => {
  const taken = `${line("lock", "f")}\n${line(...holder)}`;
  const { server } = serverSaying(taken, taken, line("lock", "t"));
  const seen: string[] = [];
  await takeDatabaseLock(server, { ...options, wait: true, onWait: (one) => seen.push(one.pid) });
  assert.deepEqual(seen, ["71"]);
});

test("a pooler that shares sessions is refused, with the form that works", async () => {
  const { server, released } = serverSaying("shared");
  const problem = await refused(takeDatabaseLock(server, options));
  assert.deepEqual([problem.code, problem.exit], ["DATABASE_REFUSED", 3]);
  assert.match(problem.next!, /pool_mode=session/);
  assert.equal(released(), 1);
});

test("a role that may not enter postgres holds the lock in its own database", async () => {
  const denied = { errors: 'psql: error: FATAL: permission denied for database "postgres"' };
  const { server, shots } = serverSaying(denied, line("lock", "t"));
  await takeDatabaseLock(server, options);
  assert.deepEqual(
    shots.map((one) => one.environment!["PGDATABASE"]),
    ["postgres", "letta"],
  );
});

test("a login that fails is reported as such, without the address' password", async () => {
  const denied = { errors: "psql: error: FATAL:  password authentication failed for user" };
  const { server } = serverSaying(denied);
  const problem = await refused(takeDatabaseLock(server, options));
  assert.equal(problem.code, "DATABASE_REFUSED");
  assert.match(problem.message, /expected the password to be right/);
  assert.ok(!JSON.stringify(problem).includes("secret"));
});

test("nothing is asked of a database whose lock is not had", async () => {
  const { server } = serverSaying("");
  const guarded = guardedServer(server, () => Promise.reject(new Error("no lock")));
  await assert.rejects(guarded.client("letta", ["psql"]), /no lock/);
  await assert.rejects(guarded.database().ask("SELECT 1"), /no lock/);
  await assert.rejects(guarded.database().hold("SELECT 1"), /no lock/);
});
