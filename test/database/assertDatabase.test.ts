import assert from "node:assert/strict";
import test from "node:test";
import {
  assertAllows,
  assertDatabase,
  judgeExternal,
  lackText,
  loginFault,
  type ExternalFacts,
  type Need,
} from "../../scripts/database/assertDatabase.ts";
import { Problem } from "../../scripts/common/problem.ts";
import { revision } from "../../scripts/database/revisions.ts";
import { withMigrationLock } from "../../scripts/database/blockers.ts";
import { type Answer, type Database, externalServer } from "../../scripts/database/sql.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

// Stands for PostgreSQL only in what it answers; test/real/database.test.ts asks the real one.
function answers(byPattern: readonly (readonly [RegExp, Partial<Answer>])[]): Database {
  return {
    async ask(statement) {
      const found = byPattern.find(([pattern]) => pattern.test(statement));
      return { rows: [], state: "", message: "", ...found?.[1] };
    },
    hold: async () => async () => undefined,
  };
}

test("a database that has never been migrated has no revision", async () => {
  assert.deepEqual(await revision(answers([[/./, { state: "42P01" }]]), "SELECT"), []);
});

test("two heads are both reported", async () => {
  assert.deepEqual(await revision(answers([[/./, { rows: [["a1"], ["b2"]] }]]), "SELECT"), [
    "a1",
    "b2",
  ]);
});

test("a database that does not answer is refused, not taken for an empty one", async () => {
  const silent = answers([[/./, { state: "08000", message: "connection refused" }]]);
  await assert.rejects(revision(silent, "SELECT"), { code: "DATABASE_REFUSED" });
});

test("the migration lock is given back when the migration fails, and its failure is reported", async () => {
  let released = 0;
  const database: Database = { ...answers([]), hold: async () => async () => void (released += 1) };
  const failing = withMigrationLock(database, async () => Promise.reject(new Error("step k")));
  await assert.rejects(failing, /step k/);
  assert.equal(released, 1);
});

test("no migration starts while someone else holds the lock", async () => {
  let ran = false;
  const database: Database = { ...answers([]), hold: () => Promise.reject(new Error("55P03")) };
  await assert.rejects(
    withMigrationLock(database, async () => void (ran = true)),
    { code: "DATABASE_REFUSED" },
  );
  assert.equal(ran, false);
});

/** PostgreSQL 17 with pgvector, encrypted, and a role that owns its database and may make others. */
const facts: ExternalFacts = {
  database: "app",
  role: "me",
  version: 170_011,
  clientMajor: 17,
  isReplica: false,
  isReadOnly: false,
  isShared: false,
  schema: "public",
  searchPath: '"$user", public',
  mayCreateTables: true,
  isSuperuser: false,
  mayCreateDatabases: true,
  owner: "me",
  isOwner: true,
  vector: "0.8.1",
  hasVector: true,
  mayCreateVector: true,
  isEncrypted: true,
  mostConnections: 97,
  usedConnections: 5,
  otherConnections: 0,
  maintenanceFault: undefined,
  dropped: [],
};

const judged = (over: Partial<ExternalFacts> = {}) => judgeExternal({ ...facts, ...over }, "here");
/** "" where the needs are met. */
const refusal = (over: Partial<ExternalFacts>, ...needs: Need[]): string => {
  try {
    assertAllows(judged(over), needs);
    return "";
  } catch (error) {
    assert.equal((error as { code: string }).code, "DATABASE_REFUSED");
    return (error as Error).message;
  }
};

test("an external database that has all that is needed lacks nothing", () => {
  assert.deepEqual(judged(), { place: "here", lacks: [], mayCopy: true, mayRestore: true });
});

const refused: readonly (readonly [Partial<ExternalFacts>, readonly Need[], RegExp])[] = [
  [{ isShared: true }, ["deploy", "write", "dump", "copy"], /of their own, got a pooler/],
  [
    { isReplica: true, isReadOnly: true },
    ["deploy", "write", "copy"],
    /can be written, got a read-only replica/,
  ],
  [{ isReadOnly: true }, ["deploy", "write", "copy"], /got sessions that are read-only by default/],
  [{ version: 180_000 }, ["dump"], /PostgreSQL 17 at most, as pg_dump .*, got PostgreSQL 18/],
  [{ version: 120_022 }, ["deploy", "copy"], /PostgreSQL 13 or newer, got PostgreSQL 12/],
  [
    { schema: null, mayCreateTables: false },
    ["deploy", "migrate"],
    /a schema for its tables, got none of search_path/,
  ],
  [{ mayCreateTables: false }, ["deploy", "migrate"], /create tables in public, got none/],
  [{ vector: null }, ["deploy", "migrate"], /extension vector in app, got none$/],
  [
    { vector: null, hasVector: false },
    ["deploy", "migrate", "restore"],
    /got none, and pgvector is not installed/,
  ],
  [{ otherConnections: 94 }, ["deploy"], /5 connections left, got 3 of 97/],
  [{ mayCreateDatabases: false }, ["copy"], /CREATEDB for me/],
];
const allNeeds: readonly Need[] = ["deploy", "write", "migrate", "dump", "copy", "restore"];
for (const [over, blocked, said] of refused) {
  test(`an external database is refused for what needs it, and for nothing else: ${said.source}`, () => {
    for (const need of allNeeds) {
      const found = refusal(over, need);
      if (blocked.includes(need)) assert.match(found, said, need);
      else assert.equal(found, "", need);
    }
    const reported = judged(over).lacks[0]!;
    assert.notEqual(reported.next, "");
  });
}

test("what a command goes on without is reported with what it makes impossible", () => {
  const [reported] = assertAllows(judged({ version: 180_000 }), ["deploy", "write"]);
  assert.match(lackText(reported!), /got PostgreSQL 18: not possible: backups$/);
});

test("connections that the stack itself uses up keep nothing from being replaced", () => {
  const full = { usedConnections: 95, otherConnections: 3 };
  assert.equal(refusal(full, ...allNeeds), "");
  assert.match(lackText(judged(full).lacks[0]!), /20 connections left, got 2 of 97/);
  const few = { mostConnections: 8, usedConnections: 8, otherConnections: 0 };
  assert.equal(refusal(few, ...allNeeds), "");
  const taken = { usedConnections: 95, otherConnections: 95 };
  assert.notEqual(refusal(taken, "deploy"), "");
  assert.equal(refusal(taken, "write", "migrate", "dump", "copy", "restore"), "");
});

const limits: readonly (readonly [Partial<ExternalFacts>, boolean, boolean, RegExp])[] = [
  [{ mayCreateDatabases: false }, false, false, /CREATEDB for me, got none: no rehearsal, no snap/],
  [{ isOwner: false, owner: "admin" }, false, false, /me as owner of app, got admin as its owner/],
  [{ mayCreateVector: false }, true, false, /create the extension vector in a new database/],
  [{ maintenanceFault: "FATAL: no" }, false, false, /a login to the database postgres .*FATAL: no/],
  [{ isEncrypted: false }, true, true, /an encrypted connection, got plain text/],
  [{ isSuperuser: true }, true, true, /a role that owns its database alone, got the superuser me/],
  [{ usedConnections: 85 }, true, true, /20 connections left, got 12 of 97/],
  [{ dropped: ["keepalives_idle"] }, true, true, /psql and pg_dump know, got keepalives_idle/],
];
for (const [over, mayCopy, mayRestore, said] of limits) {
  test(`an external database is used with what it allows: ${said.source}`, () => {
    const found = judged(over);
    assert.deepEqual([found.mayCopy, found.mayRestore], [mayCopy, mayRestore]);
    const [reported] = assertAllows(found, ["deploy", "write", "migrate", "dump"]);
    assert.match(lackText(reported!), said);
  });
}

test("a login that fails is reported in words of its own, where they are known", () => {
  const words: readonly (readonly [string, RegExp])[] = [
    ["server does not support SSL, but SSL was required", /offers none/],
    ['root certificate file "/x/ca.pem" does not exist', /sslrootcert/],
    ["no pg_hba.conf entry for host, no encryption", /sslmode=require/],
    ["FATAL: odd", /the server refuses it/],
  ];
  for (const [message, said] of words) assert.match(loginFault({ message }), said);
});

test("a failure that psql words in no way we know is still a refusal with its words", async () => {
  const odd = answers([[/./, { state: "08000", message: "FATAL: something odd" }]]);
  const server = { ...externalServer(simulatedEngine(), place), database: () => odd };
  await assert.rejects(assertDatabase(server, "here"), {
    code: "DATABASE_REFUSED",
    details: ["FATAL: something odd"],
  });
});

const place = { uri: "postgresql://a:b@c/d", image: "i", network: "bridge" };

test("an engine that fails, or a lost lock, is not taken for a fault of the database", async () => {
  const lost = new Problem("LOCK_LOST", "lost");
  for (const failure of [new Error("the engine went away"), lost]) {
    const gone: Database = { ...answers([]), ask: () => Promise.reject(failure) };
    const own = answers([[/to_jsonb/, { rows: [["{}"]] }]]);
    const server = {
      ...externalServer(simulatedEngine(), place),
      database: (name?: string) => (name === undefined ? own : gone),
      client: () => Promise.resolve({ code: 0, stdout: "pg_dump (PostgreSQL) 17.11", stderr: "" }),
    };
    await assert.rejects(assertDatabase(server, "here"), failure);
  }
});
