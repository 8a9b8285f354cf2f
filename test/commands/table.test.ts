import assert from "node:assert/strict";
import { test } from "node:test";
import { table } from "../../scripts/commands/table.ts";

test("columns are as wide as their widest cell, and no line ends in blanks", () => {
  assert.equal(
    table([
      ["service", "state"],
      ["server", "running"],
      ["db", ""],
    ]),
    `
  service  state
  server   running
  db
`.slice(1),
  );
});

test("no rows are no text", () => {
  assert.equal(table([]), "");
});
