import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Database } from "../../scripts/database/sql.ts";
import { repair, repairsFor } from "../../scripts/deploy/repairs.ts";
import { devStack } from "./simulation.ts";

const { server: role } = devStack;
const named = async (from: string, to: string) =>
  (await repairsFor(role, from, to)).map((one) => one.description);
const providers = "base providers that 0.16 and later write as rows";

for (const [from, to, needed] of [
  ["0.16.8", "0.15.1", true],
  ["0.16.0", "0.15.9", true],
  ["1.0.0", "0.1.0", true],
  ["0.16.8-rc.1", "0.15.1", true],
  ["0.16.8", "0.16.0", false],
  ["0.16.8", "0.16.5", false],
  ["0.15.9", "0.15.1", false],
  ["0.15.1", "0.16.8", false],
] as const) {
  test(`from ${from} to ${to} Letta's base providers are ${needed ? "" : "not "}repaired`, async () => {
    assert.deepEqual(await named(from, to), needed ? [providers] : []);
  });
}

test("both bounds hold, one repair apart from the other", async () => {
  const of = (description: string, from: string, to: string) => ({
    description,
    from,
    to,
    sql: [],
  });
  const repairs = [of("first", ">=2.0.0 <3.0.0", "<2.0.0"), of("second", ">=3.0.0", "<3.0.0")];
  const found = async (from: string, to: string) =>
    (await repairsFor({ ...role, repairs }, from, to)).map((one) => one.description);
  assert.deepEqual(await found("2.9.9", "1.0.0"), ["first"]);
  assert.deepEqual(await found("3.0.0", "1.0.0"), ["second"]);
  assert.deepEqual(await found("3.0.0", "3.0.0"), []);
});

test("a tag that tells no version is repaired for nothing, rather than failing the rollback", async () => {
  assert.deepEqual(await named("main", "0.15.1"), []);
});

/** A database that answers so to everything, and what it was asked. */
function answering(answer: Partial<Answer>): { database: Database; asked: string[] } {
  const asked: string[] = [];
  const database: Database = {
    async ask(statement) {
      asked.push(statement);
      return { rows: [], state: "", message: "", ...answer };
    },
    hold: async () => async () => undefined,
  };
  return { database, asked };
}

const two = [
  { description: "one", from: "*", to: "*", sql: ["DELETE 1", "DELETE 2"] },
  { description: "other", from: "*", to: "*", sql: ["DELETE 3"] },
];

test("all repairs are made in one transaction, in their order", async () => {
  const { database, asked } = answering({});
  await repair(database, two);
  assert.deepEqual(asked, ["BEGIN;\nDELETE 1;\nDELETE 2;\nDELETE 3;\nCOMMIT"]);
});

test("where there is nothing to repair the database is not asked", async () => {
  const { database, asked } = answering({});
  await repair(database, []);
  assert.deepEqual(asked, []);
});

test("a repair that is refused is reported with all repairs and Postgres' words", async () => {
  const { database } = answering({ state: "23503", message: "ERROR: still referenced" });
  await assert.rejects(repair(database, two), {
    code: "DATABASE_REFUSED",
    details: ["one", "other", "ERROR: still referenced"],
  });
  await assert.rejects(repair(database, two, true), { code: "DATABASE_REFUSED" });
});

for (const state of ["42P01", "42703"]) {
  test(`${state} is no failure on a schema that was brought back, and one on any other`, async () => {
    const { database } = answering({ state, message: "ERROR: does not exist" });
    await repair(database, two, true);
    await assert.rejects(repair(database, two), { code: "DATABASE_REFUSED" });
  });
}
