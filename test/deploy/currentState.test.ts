import assert from "node:assert/strict";
import test from "node:test";
import { unmarked } from "../../scripts/deploy/currentState.ts";

const table = (rows: number | null, isEstimate = false) => ({
  table: "public.agents",
  rows,
  isEstimate,
});

test("a database that says no revision is recognised by what it holds, estimates as estimates", () => {
  assert.equal(unmarked([], true), undefined);
  assert.equal(unmarked([table(0)], false), undefined);
  assert.equal(unmarked([table(0)], true), "1 tables");
  assert.equal(unmarked([table(2), table(3)], false), "5 rows");
  assert.equal(unmarked([table(2), table(3_000_000, true)], false), "about 3000002 rows");
  assert.equal(unmarked([table(null, true)], false), "about 0 rows", "too large to be empty");
});
