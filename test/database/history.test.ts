import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ancestorsOf,
  between,
  headsOf,
  type History,
  parseHistory,
} from "../../scripts/database/revisions.ts";

/** A history in short: "a", "b: a", "m: b c" is a merge. */
const of = (...lines: string[]): History =>
  lines.map((line) => {
    const [id = "", down = ""] = line.split(":");
    return { id, down: down.split(" ").filter(Boolean), title: `adds ${id}` };
  });
const ids = (history: History) => history.map((one) => one.id);

const straight = of("a", "b: a", "c: b");
const merged = of("a", "b: a", "c: a", "m: b c", "d: m");

/** Any history without a circle, in any order; each revision builds on earlier ones. */
const anyHistory = fc
  .array(fc.array(fc.nat(), { maxLength: 3 }), { maxLength: 20 })
  .map((downs) =>
    downs.map((picks, at) => ({
      id: `r${at}`,
      down: at === 0 ? [] : [...new Set(picks.map((pick) => `r${pick % at}`))],
      title: "",
    })),
  )
  .chain((history) =>
    fc.shuffledSubarray(history, { minLength: history.length, maxLength: history.length }),
  );

/** Anything at all, circles and unknown revisions too. */
const anyGraph = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b", "c", "d"),
    down: fc.array(fc.constantFrom("a", "b", "c", "d", "gone"), { maxLength: 2 }),
    title: fc.constant(""),
  }),
  { maxLength: 6 },
);

test("a printed history is taken apart: the first, a step, a merge", () => {
  const printed = "a\t\tfirst\nb\ta\tadd: a column\n\nm\tb,c\tmerge\n";
  assert.deepEqual(parseHistory(printed), [
    { id: "a", down: [], title: "first" },
    { id: "b", down: ["a"], title: "add: a column" },
    { id: "m", down: ["b", "c"], title: "merge" },
  ]);
});

test("what a server says alongside its history is passed over", () => {
  assert.deepEqual(parseHistory("loading settings ...\nb\ta\tx\nno tab here"), [
    { id: "b", down: ["a"], title: "x" },
  ]);
  assert.deepEqual(parseHistory(""), []);
});

test("every history comes back from its print", () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      const printed = history
        .map((one) => `${one.id}\t${one.down.join(",")}\t${one.title}\n`)
        .join("");
      assert.deepEqual(parseHistory(printed), history);
    }),
  );
});

test("the head is what nothing builds on; branches have several, by name", () => {
  assert.deepEqual(headsOf(straight), ["c"]);
  assert.deepEqual(headsOf(merged), ["d"]);
  assert.deepEqual(headsOf(of("a", "z: a", "b: a")), ["b", "z"]);
  assert.deepEqual(headsOf([]), []);
});

test("a merge builds on both its sides", () => {
  assert.deepEqual([...ancestorsOf(merged, ["m"])].sort(), ["a", "b", "c", "m"]);
  assert.deepEqual([...ancestorsOf(merged, ["b"])].sort(), ["a", "b"]);
});

test("a revision that the history does not have builds on nothing", () => {
  assert.deepEqual([...ancestorsOf(straight, ["gone"])], []);
});

test("between two revisions is what the one has and the other lacks, oldest first", () => {
  assert.deepEqual(ids(between(straight, ["a"], ["c"])), ["b", "c"]);
  assert.deepEqual(ids(between(straight, [], ["c"])), ["a", "b", "c"]);
  assert.deepEqual(ids(between(straight, ["c"], ["c"])), []);
  assert.deepEqual(ids(between(straight, ["c"], ["a"])), []);
});

test("of two branches the one that was gone already is not gone again", () => {
  assert.deepEqual(ids(between(merged, ["b"], ["d"])), ["c", "m", "d"]);
  assert.deepEqual(ids(between(merged, ["b", "c"], ["d"])), ["m", "d"]);
});

test("no migration comes before one that it builds on, and the database's own is never repeated", () => {
  fc.assert(
    fc.property(anyHistory, fc.nat(), (history, pick) => {
      const from = history.length === 0 ? [] : [history[pick % history.length]!.id];
      const done = ancestorsOf(history, from);
      const heads = headsOf(history);
      const way = between(history, from, heads);
      for (const one of way) {
        for (const down of one.down) assert.ok(done.has(down), `${one.id} before ${down}`);
        assert.ok(!done.has(one.id), `${one.id} twice`);
        done.add(one.id);
      }
      assert.deepEqual(done, ancestorsOf(history, heads));
    }),
  );
});

test("the order of the files does not matter", () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      const sorted = history.toSorted((one, other) => (one.id < other.id ? -1 : 1));
      const heads = headsOf(sorted);
      assert.deepEqual(headsOf(history), heads);
      assert.deepEqual(between(history, [], heads), between(sorted, [], heads));
    }),
  );
});

test("what goes round comes to an end", () => {
  const round = of("a: c", "b: a", "c: b", "d: c");
  assert.deepEqual([...ancestorsOf(round, ["d"])].sort(), ["a", "b", "c", "d"]);
  assert.deepEqual(ids(between(round, [], ["d"])), []);
  fc.assert(
    fc.property(anyGraph, (graph) => {
      const heads = headsOf(graph);
      const way = between(graph, ["a"], heads);
      assert.equal(new Set(ids(way)).size, way.length);
      assert.ok(!ids(way).includes("a") || !graph.some((one) => one.id === "a"));
    }),
  );
});
