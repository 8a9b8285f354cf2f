import assert from "node:assert/strict";
import { test } from "node:test";
import { compareKnown, retainedText, type KnownRows } from "../../scripts/database/rowsOnlyIn.ts";

const database = (tables: Record<string, readonly string[] | number>): KnownRows => ({
  tables: Object.entries(tables).map(([table, rows]) =>
    typeof rows === "number"
      ? { table, rows, isEstimate: true }
      : { table, rows: rows.length, isEstimate: false },
  ),
  keys: new Map(
    Object.entries(tables).flatMap(([table, rows]) =>
      typeof rows === "number" ? [] : [[table, rows]],
    ),
  ),
});
const tell = (live: KnownRows, former: KnownRows) =>
  retainedText(compareKnown("old", live, former));

test("rows are told apart by their keys, not by how many there are", () => {
  const former = database({ "public.agents": ["a", "b", "c"] });
  assert.equal(tell(former, former), "");
  assert.equal(
    tell(database({ "public.agents": ["x", "y", "z"] }), former),
    "3 rows are only in old",
  );
  assert.equal(
    tell(database({ "public.agents": ["a", "b", "x", "y", "z"] }), former),
    "1 row is only in old",
  );
});

test("all rows of a table that the live database lacks are only in the retained one", () => {
  const former = database({ "public.notes": ["a", "b"], "public.alembic_version": ["r2"] });
  assert.equal(tell(database({}), former), "2 rows are only in old");
});

test("a table of which only the number of rows is known is named", () => {
  const former = database({ "public.agents": ["a"], "public.messages": 1000 });
  const told = tell(database({ "public.agents": [], "public.messages": 900 }), former);
  assert.match(told, /^at least 101 rows are only in old; of public\.messages only the numbers/);
  const equal = tell(database({ "public.agents": ["a"], "public.messages": 1000 }), former);
  assert.match(equal, /^at least 0 rows are only in old; of public\.messages only/);
});
