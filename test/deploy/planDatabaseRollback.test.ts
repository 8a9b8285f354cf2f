import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DatabaseBackFacts,
  planDatabaseRollback,
} from "../../scripts/deploy/rollBackDatabase.ts";

/** A migration r1 → r3 that failed between its revisions, on a database that has taken writes. */
const facts: DatabaseBackFacts = {
  databaseStrategy: "migrate",
  failedHeads: ["r3"],
  at: ["r2"],
  heads: ["r1"],
  served: ["r1"],
  hasPrevious: true,
  mayHaveBegun: true,
  hasTakenWrites: true,
  isKeepRehearsed: false,
  isSchemaUntouched: false,
};
const plan = (more: Partial<DatabaseBackFacts>) => planDatabaseRollback({ ...facts, ...more });

test("the snapshot comes back only where no request has reached the migrated database", () => {
  for (const at of [["r1"], ["r2"], ["r3"]]) {
    assert.equal(plan({ at, hasTakenWrites: false }), "swap");
    assert.notEqual(plan({ at }), "swap");
  }
});

test("a database that has taken writes stays where the previous server was rehearsed on it", () => {
  assert.equal(plan({ at: ["r3"], isKeepRehearsed: true }), "keep");
  assert.equal(plan({ at: ["r3"] }), "forward");
  assert.equal(
    plan({ isKeepRehearsed: true }),
    "forward",
    "half-way, whatever was rehearsed there",
  );
});

test("it stays as it is where the migration has done nothing yet", () => {
  assert.equal(plan({ at: ["r1"], isSchemaUntouched: true }), "stay");
  assert.equal(plan({ at: ["r1"] }), "forward", "a part of it is committed");
});

test("a server that served on a newer schema than its own has that one again, not its heads", () => {
  const back = { at: ["r2"], served: ["r2"], hasPrevious: false, hasTakenWrites: false } as const;
  assert.equal(plan({ ...back, isSchemaUntouched: true }), "stay");
  assert.equal(plan(back), "forward", "a part of the migration is committed");
});

test("without a snapshot there is nothing to bring back", () => {
  assert.equal(plan({ hasPrevious: false, mayHaveBegun: false, at: ["r1"] }), "stay");
  const without = { hasPrevious: false } as const;
  assert.equal(plan(without), "forward", "half-way");
  assert.equal(plan({ ...without, at: ["r1"] }), "forward", "a part of it is committed");
  assert.equal(plan({ ...without, at: ["r1"], isSchemaUntouched: true }), "stay");
  assert.equal(plan({ ...without, at: ["r3"], isKeepRehearsed: true }), "keep");
});

test("a copy, downgrade or restore that failed gives way to what it replaced", () => {
  for (const databaseStrategy of ["copy", "downgrade", "restore"] as const) {
    assert.equal(plan({ databaseStrategy }), "swap");
    assert.equal(plan({ databaseStrategy, hasPrevious: false }), "stay");
  }
  assert.equal(plan({ databaseStrategy: "none", hasPrevious: false }), "stay");
});

test("a rollback that failed on the newer schema is tried again on it", () => {
  const failed = { databaseStrategy: "keep", hasPrevious: false, at: ["r3"] } as const;
  assert.equal(plan({ ...failed, isKeepRehearsed: true }), "keep");
  assert.equal(plan(failed), "stay");
});
