import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { mergeSources, type ValueMap } from "../../scripts/stack/mergeSources.ts";

const source = (file: string, content: ValueMap) => ({ file, content });
const below = (a: ValueMap) => source("compose/below.yaml", { services: { a } });
const above = (a: ValueMap) => source("compose/above.yaml", { services: { a } });

/** Service `a` after the second file was laid over the first. */
function merged(first: ValueMap, second: ValueMap, library: ValueMap = {}) {
  const model = mergeSources(
    [below(first), above(second)],
    [source("compose/common.yaml", { services: library })],
  );
  return (model["services"] as ValueMap)["a"];
}

/** What a refusal says, line by line. */
function refusal(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof Problem);
    assert.equal(error.code, "SOURCE_INVALID");
    return error.details;
  }
  assert.fail("expected a refusal");
}

test("maps merge and scalars replace", () => {
  const a = merged(
    { image: "old:1", environment: { RETAINED: "1", CHANGED: "1" } },
    { image: "new:2", environment: { CHANGED: "2", ADDED: "3" } },
  );
  assert.deepEqual(a, { image: "new:2", environment: { RETAINED: "1", CHANGED: "2", ADDED: "3" } });
});

test("a list declared twice is refused with the second file and the path", () => {
  assert.deepEqual(
    refusal(() => merged({ cap_add: ["CHOWN"] }, { cap_add: ["FOWNER"] })),
    ["compose/above.yaml: services.a.cap_add: expected a list declared once, got it a second time"],
  );
});

test("all contradictions are reported at once", () => {
  const lines = refusal(() =>
    merged({ cap_add: ["A"], tmpfs: ["/a"] }, { cap_add: ["B"], tmpfs: ["/b"] }),
  );
  assert.equal(lines.length, 2);
});

test("volumes and ports append, as with Compose", () => {
  const a = merged(
    { volumes: ["data:/data"], ports: ["127.0.0.1:1:1"] },
    { volumes: ["./src:/app"], ports: ["127.0.0.1:2:2"] },
  );
  assert.deepEqual(a, {
    volumes: ["data:/data", "./src:/app"],
    ports: ["127.0.0.1:1:1", "127.0.0.1:2:2"],
  });
});

test("command and entrypoint are replaced whole", () => {
  const a = merged(
    { command: ["serve", "--quiet"], entrypoint: ["old"] },
    { command: ["watch"], entrypoint: ["new"] },
  );
  assert.deepEqual(a, { command: ["watch"], entrypoint: ["new"] });
});

test("a map over a list is refused, whichever comes first", () => {
  const line =
    "compose/above.yaml: services.a.environment: expected the same kind of value as before";
  assert.deepEqual(
    refusal(() => merged({ environment: ["A=1"] }, { environment: { A: "1" } })),
    [line],
  );
  assert.deepEqual(
    refusal(() => merged({ environment: { A: "1" } }, { environment: ["A=1"] })),
    [line],
  );
});

test("what is extended lies below what extends it", () => {
  const a = merged(
    { extends: { file: "common.yaml", service: "base" }, restart: "no" },
    {},
    { base: { restart: "always", init: true } },
  );
  assert.deepEqual(a, { restart: "no", init: true });
});

test("two services that extend the same one share nothing", () => {
  const library = [source("compose/common.yaml", { services: { base: { labels: {} } } })];
  const base = { extends: { file: "common.yaml", service: "base" } };
  const model = mergeSources(
    [source("compose/x.yaml", { services: { a: base, b: base } })],
    library,
  );
  const { a, b } = model["services"] as Record<string, ValueMap>;
  assert.notEqual(a?.["labels"], b?.["labels"]);
});

test("extending what is not there is refused with both names", () => {
  assert.deepEqual(
    refusal(() => merged({ extends: { file: "common.yaml", service: "bass" } }, {}, { base: {} })),
    ["compose/below.yaml: services.a.extends: expected a service of common.yaml, got bass"],
  );
});

test("a list of the extended service declared again is refused", () => {
  const own = { extends: { file: "common.yaml", service: "base" }, cap_drop: ["NET_RAW"] };
  assert.deepEqual(
    refusal(() => merged(own, {}, { base: { cap_drop: ["ALL"] } })),
    [
      "compose/below.yaml: services.a.cap_drop: expected a list declared once, got it a second time",
    ],
  );
});

test("a service that is declared without a word is no reason to fall over", () => {
  const empty = source("compose/empty.yaml", { services: { a: null } });
  assert.deepEqual(mergeSources([empty], []), { services: { a: null } });
});

test("merging leaves its sources as they were", () => {
  const sources = [below({ volumes: ["a:/a"] }), above({ volumes: ["b:/b"] })];
  const before = structuredClone(sources);
  mergeSources(sources, []);
  assert.deepEqual(sources, before);
});
