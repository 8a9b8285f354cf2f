import assert from "node:assert/strict";
import { test } from "node:test";
import { compareKnown, type KnownRows, retainedText } from "../../scripts/database/rowsOnlyIn.ts";

/** A row is its key; "a=1,x" has contents, by column. */
const columns = ["id text", "value text", "note text"];
const hash = (text: string) => [...text].reduce((so, one) => so * 31 + one.codePointAt(0)!, 7);
const database = (
  tables: Record<string, readonly string[] | number>,
  own: readonly string[] | null = columns,
): KnownRows => ({
  tables: Object.entries(tables).map(([table, rows]) =>
    typeof rows === "number"
      ? { table, rows, isEstimate: true }
      : { table, rows: rows.length, isEstimate: false },
  ),
  keys: new Map(
    Object.entries(tables).flatMap(([table, rows]) => {
      if (typeof rows === "number") return [];
      const split = rows.map((row) => row.split(/[=,]/u));
      const keys = split.map(([key = ""]) => key);
      const contents = split.map((row) => own?.map((_, place) => hash(row[place] ?? "")) ?? []);
      return [[table, { keys, columns: own, contents: own && contents }] as const];
    }),
  ),
});
const tell = (live: KnownRows, previous: KnownRows) =>
  retainedText(compareKnown("old", live, previous));

test("rows are distinguished by their keys, not by how many there are", () => {
  const previous = database({ "public.agents": ["a", "b", "c"] });
  assert.equal(tell(previous, previous), "");
  assert.equal(
    tell(database({ "public.agents": ["x", "y", "z"] }), previous),
    "3 rows are only in old",
  );
  assert.equal(
    tell(database({ "public.agents": ["a", "b", "x", "y", "z"] }), previous),
    "1 row is only in old",
  );
});

test("all rows of a table that the live database lacks are only in the retained one", () => {
  const previous = database({ "public.notes": ["a", "b"], "public.alembic_version": ["r2"] });
  assert.equal(tell(database({}), previous), "2 rows are only in old");
});

test("a table of which only the number of rows is known is named", () => {
  const previous = database({ "public.agents": ["a"], "public.messages": 1000 });
  const reported = tell(database({ "public.agents": [], "public.messages": 900 }), previous);
  assert.match(
    reported,
    /^at least 101 rows are only in old; of public\.messages only the numbers/,
  );
  const equal = tell(database({ "public.agents": ["a"], "public.messages": 1000 }), previous);
  assert.match(equal, /^at least 0 rows are only in old; of public\.messages only/);
});

test("rows with the same key and other contents are distinguished from those that are lacking", () => {
  const previous = database({ "public.blocks": ["a=new", "b=same", "c=only", "d=newer"] });
  const live = database({ "public.blocks": ["d=older", "b=same", "a=old"] });
  const found = compareKnown("old", live, previous);
  assert.deepEqual(found.rows, { "public.blocks": 1 });
  assert.deepEqual(found.changed, { "public.blocks": 2 });
  assert.equal(retainedText(found), "1 row is only in old; 2 rows have other contents in old");
});

test("contents are compared by the columns that both databases have in the same type", () => {
  const previous = database({ "public.blocks": ["a=1,x", "b=2,y"] }, columns);
  const live = (note: string, row: string) =>
    compareKnown(
      "old",
      database({ "public.blocks": [row, "b=2,other"] }, ["id text", "value text", note]),
      previous,
    );
  for (const note of ["added text", "note json"]) {
    assert.deepEqual(live(note, "a=1,z").changed, {});
    assert.deepEqual(live(note, "a=9,z").changed, { "public.blocks": 1 });
  }
  assert.deepEqual(live("note text", "a=1,x").changed, { "public.blocks": 1 });
});

test("a table whose contents were not read is named, unless no row is in both", () => {
  const previous = database({ "public.blocks": ["a=1"] }, null);
  const reported = tell(database({ "public.blocks": ["a=1"] }), previous);
  assert.equal(reported, "changes to rows that both have were not compared in public.blocks");
  assert.equal(tell(database({ "public.blocks": [] }), previous), "1 row is only in old");
});
