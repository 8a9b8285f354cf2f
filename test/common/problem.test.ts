import assert from "node:assert/strict";
import { test } from "node:test";
import { foreseen } from "../../scripts/common/problem.ts";

test("a package that is not installed yet is reported with its cure", async () => {
  const name = "a-package-that-a-pull-brought";
  const missing: unknown = await import(name).catch((error: unknown) => error);
  const problem = foreseen(missing);
  assert.equal(problem?.exit, 2);
  assert.equal(problem.next, "npm ci");
  assert.match(problem.message, /a-package-that-a-pull-brought/);
  // A file of our own that is missing is a bug.
  const file: unknown = await import([".", "not-there.ts"].join("/")).catch(
    (error: unknown) => error,
  );
  assert.equal(foreseen(file), undefined);
});
