import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  commentStatement,
  databaseOfRun,
  type Mark,
  marksOf,
  purposes,
  readMark,
} from "../../scripts/database/databaseNames.ts";
import { installationId } from "../../scripts/state/secretKey.ts";

const mine = installationId(Buffer.alloc(32, 1));
const mark = (more: Partial<Mark> = {}): Mark => ({
  ...marksOf(mine, { id: "000003", run: "a1" })("retained"),
  ...more,
});
const textOf = (one: Mark) =>
  /^COMMENT ON DATABASE "letta" IS '(.*)';$/.exec(commentStatement("letta", one))![1]!;

test("two installations have two ids, one keeps its own", () => {
  assert.equal(mine, installationId(Buffer.alloc(32, 1)));
  assert.notEqual(mine, installationId(Buffer.alloc(32, 2)));
});

test("what a database was marked with is read again", () => {
  for (const purpose of purposes) {
    assert.deepEqual(readMark(textOf(mark({ purpose }))), mark({ purpose }));
  }
});

test("no other comment is a mark", () => {
  fc.assert(
    fc.property(fc.string(), (comment) => {
      assert.equal(readMark(comment), undefined);
      assert.equal(readMark(`letta-stack ${comment}`), undefined);
    }),
  );
  const text = textOf(mark());
  for (const comment of [
    null,
    "",
    "letta-stack null",
    "letta-stack {}",
    text.slice(0, -1),
    ` ${text}`,
    text.replace("retained", "someone's"),
    text.replace('"a1"', "1"),
  ]) {
    assert.equal(readMark(comment), undefined, String(comment));
  }
});

test("a database is found by its run, whatever it is called, and by nothing less", () => {
  const found = new Map([
    ["letta_retained_000003", { bytes: 1, mark: undefined }],
    ["letta_retained_000004", { bytes: 1, mark: mark({ installation: "another" }) }],
    ["letta_retained_000005", { bytes: 1, mark: mark({ run: "b2" }) }],
    ["letta_retained_000006", { bytes: 1, mark: mark({ purpose: "snapshot" }) }],
  ]);
  assert.equal(databaseOfRun(found, mark()), undefined);
  found.set("renamed", { bytes: 1, mark: mark() });
  assert.equal(databaseOfRun(found, mark()), "renamed");
});

test("a manifest of before marks finds nothing", () => {
  const unmarked = marksOf(mine, { id: "000003" })("retained");
  const found = new Map([["letta_retained_000003", { bytes: 1, mark: unmarked }]]);
  assert.equal(databaseOfRun(found, unmarked), undefined);
});

test("the live database's mark keeps the fingerprint of its encryption key", () => {
  const live = mark({ purpose: "live", encryptionKey: "0123456789abcdef" });
  assert.deepEqual(readMark(textOf(live)), live);
  assert.ok(!("encryptionKey" in readMark(textOf(mark({ purpose: "live" })))!));
});
