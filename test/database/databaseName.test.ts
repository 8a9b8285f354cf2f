import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  databaseName,
  makingName,
  marksOf,
  purposes,
  releaseInName,
} from "../../scripts/database/databaseNames.ts";
import { isScratch } from "../../scripts/database/alterDatabases.ts";

const installation = "f00dfacef00dface";
const release = fc.integer({ min: 1, max: 9_999_999 }).map((n) => String(n).padStart(6, "0"));
const database = fc.string({ unit: "grapheme", minLength: 1, maxLength: 63 });
const marks = marksOf(installation, { id: "000003", run: "a1" });

test("no name is longer than Postgres keeps, and each purpose has its own", () => {
  fc.assert(
    fc.property(database, release, (live, id) => {
      fc.pre(Buffer.byteLength(live) <= 63);
      const names = purposes.map((one) => databaseName(live, marksOf(installation, { id })(one)));
      names.push(makingName(live, installation));
      for (const one of names) assert.ok(Buffer.byteLength(one) <= 63, one);
      assert.equal(new Set(names).size, names.length);
      assert.equal(names[0], live);
    }),
  );
});

test("two long names that begin alike get different names", () => {
  const long = "x".repeat(60);
  const snapshot = marks("snapshot");
  assert.notEqual(databaseName(`${long}a`, snapshot), databaseName(`${long}b`, snapshot));
});

test("the release in a name is read, and of no other name", () => {
  for (const purpose of ["incoming", "snapshot", "retained"] as const) {
    assert.equal(releaseInName("letta", databaseName("letta", marks(purpose))), "000003");
  }
  for (const earlier of ["next", "before", "kept"])
    assert.equal(releaseInName("letta", `letta_${earlier}_000003`), "000003");
  for (const name of [
    "letta",
    "letta_retained",
    "letta_retained_3",
    "letta_retained_000003x",
    "letta_retained_000003\n",
    "xletta_retained_000003",
    "letta_invoices_000003",
  ]) {
    assert.equal(releaseInName("letta", name), undefined, name);
  }
});

test("only what this installation made for a run may be dropped", () => {
  const droppable = purposes.filter((one) => isScratch(marks(one), installation));
  assert.deepEqual(droppable, ["rehearsal", "verification", "incoming", "snapshot"]);
  for (const one of purposes) assert.ok(!isScratch(marks(one), "another"), one);
  assert.ok(!isScratch(undefined, installation));
});
