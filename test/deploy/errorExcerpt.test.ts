import assert from "node:assert/strict";
import { test } from "node:test";
import { errorExcerpt } from "../../scripts/deploy/waitFor.ts";

const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => `line ${index + 1}`);

test("of a long log the last twelve lines are reported", () => {
  assert.deepEqual(errorExcerpt(numbered(30).join("\n")), numbered(30).slice(-12));
});

test("what names the error is reported before them, where much was printed after it", () => {
  const cause = 'sqlalchemy.exc.ProgrammingError: (pg8000) relation "conversations" already exists';
  const reported = errorExcerpt(["Traceback", "KeyError: 'a'", cause, ...numbered(30)].join("\n"));
  assert.deepEqual(reported, [cause, ...numbered(30).slice(-11)]);
});

test("it is reported once, and a word in a sentence is none", () => {
  const log = [...numbered(20), "there was an error in the end", "ERROR: no such table", "bye"];
  assert.deepEqual(errorExcerpt(log.join("\n")), log.slice(-12));
});

test("a line of a megabyte is cut", () => {
  assert.equal(errorExcerpt("x".repeat(1_000_000))[0]!.length, 240);
});
