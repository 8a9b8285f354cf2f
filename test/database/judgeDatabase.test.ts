import assert from "node:assert/strict";
import test from "node:test";
import { judgeDatabase } from "../../scripts/database/judgeDatabase.ts";
import { revision } from "../../scripts/database/revision.ts";
import { withMigrationLock } from "../../scripts/database/migrationLock.ts";
import type { Answer, Database } from "../../scripts/database/sql.ts";

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

test("two heads are both told", async () => {
  assert.deepEqual(await revision(answers([[/./, { rows: [["a1"], ["b2"]] }]]), "SELECT"), [
    "a1",
    "b2",
  ]);
});

test("a database that does not answer is refused, not taken for an empty one", async () => {
  const silent = answers([[/./, { state: "08000", message: "connection refused" }]]);
  await assert.rejects(revision(silent, "SELECT"), { code: "DATABASE_REFUSED" });
});

test("the migration lock is given back when the migration fails, and its failure is told", async () => {
  let released = 0;
  const database: Database = { ...answers([]), hold: async () => async () => void (released += 1) };
  const failing = withMigrationLock(database, async () => Promise.reject(new Error("step k")));
  await assert.rejects(failing, /step k/);
  assert.equal(released, 1);
});

test("no migration starts while somebody else holds the lock", async () => {
  let ran = false;
  const database: Database = { ...answers([]), hold: () => Promise.reject(new Error("55P03")) };
  await assert.rejects(
    withMigrationLock(database, async () => void (ran = true)),
    { code: "DATABASE_REFUSED" },
  );
  assert.equal(ran, false);
});

test("a failure that psql words in no way we know is still a refusal with its words", async () => {
  const odd = answers([
    [/./, { state: "08000", message: "FATAL: sorry, too many clients already" }],
  ]);
  await assert.rejects(judgeDatabase(odd, "here"), {
    code: "DATABASE_REFUSED",
    details: ["FATAL: sorry, too many clients already"],
  });
});
