import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCodes, Problem } from "../../scripts/common/problem.ts";
import { didYouMean } from "../../scripts/common/didYouMean.ts";

const names = ["dev", "development", "staging", "prod"];

for (const [typed, meant] of [
  ["prd", "prod"],
  ["PROD", "prod"],
  ["stagging", "staging"],
  ["developement", "development"],
  ["production", "prod"],
  ["xyz", undefined],
  ["", undefined],
] as const) {
  test(`${typed || "nothing"} means ${meant ?? "nothing that is known"}`, () => {
    assert.equal(didYouMean(typed, names), meant);
  });
}

test("a problem ends with the exit code of its kind, or with its own", () => {
  assert.equal(new Problem("USAGE", "x").exit, exitCodes.badInput);
  assert.equal(new Problem("LOCKED", "x").exit, exitCodes.locked);
  assert.equal(new Problem("INTERRUPTED", "x").exit, exitCodes.failedActNow);
  assert.equal(
    new Problem("INTERRUPTED", "x", { exit: exitCodes.refused }).exit,
    exitCodes.refused,
  );
});

test("a problem keeps what caused it", () => {
  const cause = new Error("below");
  assert.equal(new Problem("BUILD_FAILED", "x", { cause }).cause, cause);
});
