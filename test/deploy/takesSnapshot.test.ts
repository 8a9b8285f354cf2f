import assert from "node:assert/strict";
import test from "node:test";
import { takesSnapshot } from "../../scripts/deploy/confirmLongPause.ts";

const verification = {
  image: "i",
  revision: ["r2"],
  databaseStrategy: "keep",
  detail: "",
  at: "",
  seconds: 1,
} as const;
const tolerated = {
  copySeconds: 30,
  sideBySide: { passed: true, detail: "" },
  rollbackCheck: { ...verification, passed: true },
};

test("a long copy is left out where the old server stays, as its rollback never uses one", () => {
  assert.equal(takesSnapshot(tolerated, true), false);
  assert.equal(takesSnapshot({ ...tolerated, copySeconds: 0.9 }, true), true, "it costs nothing");
});

test("a snapshot is taken where the old server stops, or does not tolerate the migration", () => {
  assert.equal(takesSnapshot(tolerated, false), true);
  assert.equal(takesSnapshot({ ...tolerated, sideBySide: undefined }, true), true);
  assert.equal(
    takesSnapshot({ ...tolerated, sideBySide: { passed: false, detail: "" } }, true),
    true,
  );
  assert.equal(
    takesSnapshot({ ...tolerated, rollbackCheck: { ...verification, passed: false } }, true),
    true,
  );
});
