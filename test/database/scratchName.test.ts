import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { isScratch, keptName, scratchName } from "../../scripts/database/scratchName.ts";

const release = fc.integer({ min: 1, max: 9_999_999 }).map((n) => String(n).padStart(6, "0"));
const database = fc.string({ unit: "grapheme", minLength: 1, maxLength: 63 });

test("no name is longer than Postgres keeps, and what is ours is known again", () => {
  fc.assert(
    fc.property(database, release, (name, id) => {
      const scratch = [scratchName(name, "rehearsal", id), scratchName(name, "rehearsal")];
      for (const one of scratch) {
        assert.ok(Buffer.byteLength(one) <= 63, one);
        assert.ok(isScratch(name, one), one);
      }
      assert.ok(Buffer.byteLength(keptName(name, id)) <= 63);
    }),
  );
});

test("neither the role's own database nor one that is kept can be dropped", () => {
  fc.assert(
    fc.property(database, release, (name, id) => {
      assert.ok(!isScratch(name, name));
      assert.ok(!isScratch(name, keptName(name, id)));
    }),
  );
});

test("names that only look alike are not ours", () => {
  for (const name of [
    "letta",
    "letta_next",
    "letta_next_",
    "letta_next_3",
    "letta_next_000003x",
    "letta_next_000003\n",
    "xletta_next_000003",
    "letta_rehearsals",
    "postgres",
  ]) {
    assert.equal(isScratch("letta", name), name === "letta_next", name);
  }
});

test("two long names that begin alike get different scratch names", () => {
  const long = "x".repeat(60);
  assert.notEqual(
    scratchName(`${long}a`, "next", "000003"),
    scratchName(`${long}b`, "next", "000003"),
  );
});
