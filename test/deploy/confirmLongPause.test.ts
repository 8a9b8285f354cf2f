import assert from "node:assert/strict";
import test from "node:test";
import { expectedPause } from "../../scripts/deploy/confirmLongPause.ts";

const verification = {
  image: "i",
  revision: ["r2"],
  databaseStrategy: "keep",
  detail: "",
  at: "",
  seconds: 1,
} as const;
const rehearsed = {
  copySeconds: 30,
  migrateSeconds: 4,
  bootSeconds: 10,
  sideBySide: undefined,
  rollbackCheck: { ...verification, passed: true },
};

test("the pause grows with the copy, as the rehearsal measured it", () => {
  const small = expectedPause({ ...rehearsed, copySeconds: 0.5 }, 2);
  assert.equal(expectedPause(rehearsed, 2) - small, 29.5);
  assert.ok(small > 16, "stop, migration and boot");
  // As measured: a server that boots in half a second, on a busy machine 10.9 s.
  const quick = { ...rehearsed, copySeconds: 3.9, migrateSeconds: 0.5, bootSeconds: 0.5 };
  assert.ok(Math.abs(expectedPause(quick, 0.1) - 10.9) < 0.2 * 10.9);
});

test("where the old server serves on, no one waits for the new one's boot, nor for a long copy", () => {
  const sideBySide = { passed: true, detail: "" };
  assert.equal(expectedPause(rehearsed, 2) - expectedPause({ ...rehearsed, sideBySide }, 2), 44);
  const small = { ...rehearsed, sideBySide, copySeconds: 0.5 };
  assert.equal(expectedPause(small, 2) - expectedPause({ ...rehearsed, sideBySide }, 2), 0.5);
  const failed = { ...rehearsed, sideBySide, rollbackCheck: { ...verification, passed: false } };
  assert.equal(expectedPause(failed, 2), expectedPause(rehearsed, 2));
});
