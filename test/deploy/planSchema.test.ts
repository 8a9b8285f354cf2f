import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { headsOf, type History } from "../../scripts/database/revisions.ts";
import { databaseOptions, planSchema, type SchemaFacts } from "../../scripts/deploy/planSchema.ts";

/** A history in short: "a", "b: a", "m: b c" is a merge. */
const of = (...lines: string[]): History =>
  lines.map((line) => {
    const [id = "", down = ""] = line.split(":");
    return { id, down: down.split(" ").filter(Boolean), title: `adds ${id}` };
  });

const older = of("a", "b: a");
const newer = of("a", "b: a", "c: b", "d: c");
const backup = { id: "000002-20260102T030405Z", created: "2026-01-02T03:04:05.000Z" };
const verification = {
  image: "sha256:old",
  revision: ["d"],
  passed: true,
  detail: "answered 11 requests",
};

/** An older server's image before a database that a newer one migrated, but for what is said. */
const facts = (otherwise: Partial<SchemaFacts> = {}): SchemaFacts => ({
  revision: ["d"],
  unmarked: undefined,
  image: "sha256:old",
  target: older,
  present: newer,
  verifications: [],
  backup,
  input: undefined,
  mayRestore: true,
  ...otherwise,
});
const plan = (otherwise: Partial<SchemaFacts> = {}) => planSchema(facts(otherwise));
const states = (otherwise: Partial<SchemaFacts> = {}) =>
  Object.fromEntries(plan(otherwise).strategies.map((one) => [one.databaseStrategy, one.state]));

for (const [name, revision] of [
  ["that is empty", []],
  ["that does not run yet", undefined],
] as const) {
  test(`a database ${name} is migrated, from the first to the head`, () => {
    const { action, migrations, heads, strategies } = plan({
      revision,
      target: newer,
      present: [],
    });
    assert.equal(action, "migrate");
    assert.deepEqual(
      migrations.map((one) => one.id),
      ["a", "b", "c", "d"],
    );
    assert.deepEqual([heads, strategies], [["d"], []]);
  });
}

test("one that holds rows and says no revision is not taken for an empty one", () => {
  const { action, why, strategies } = plan({ revision: [], unmarked: "29 rows", target: newer });
  assert.deepEqual([action, strategies], ["refuse", []]);
  assert.equal(why, "the database holds 29 rows and has no revision");
});

test("a database at the image's head stays, whatever else is known or asked", () => {
  for (const input of [undefined, ...databaseOptions]) {
    const { action, migrations, strategies, attempts } = plan({ target: newer, input });
    assert.deepEqual([action, migrations, strategies, attempts], ["none", [], [], []]);
  }
});

test("a database behind is migrated by what it lacks, oldest first", () => {
  const { action, migrations, why } = plan({ revision: ["b"], target: newer });
  assert.equal(action, "migrate");
  assert.deepEqual(
    migrations.map((one) => one.id),
    ["c", "d"],
  );
  assert.equal(why, "2 migrations from b to d");
});

test("a strategy that was asked for is not taken where the image only has to migrate", () => {
  for (const input of databaseOptions)
    assert.equal(plan({ revision: ["b"], target: newer, input }).action, "migrate");
});

test("two heads are at head in any order, and one of them alone is behind", () => {
  const forked = of("a", "x: a", "y: a");
  assert.equal(plan({ revision: ["y", "x"], target: forked }).action, "none");
  const { action, migrations } = plan({ revision: ["x"], target: forked });
  assert.equal(action, "migrate");
  assert.deepEqual(
    migrations.map((one) => one.id),
    ["y"],
  );
});

test("two branches are brought together by the merge alone", () => {
  const merged = of("a", "x: a", "y: a", "m: x y");
  const { migrations } = plan({ revision: ["x", "y"], target: merged });
  assert.deepEqual(
    migrations.map((one) => one.id),
    ["m"],
  );
});

test("a database ahead without a verification is refused, and every way is named", () => {
  const { action, attempts, migrations, why } = plan();
  assert.deepEqual([action, attempts], ["refuse", []]);
  assert.equal(why, "the database is 2 migrations ahead of the image (d, its head is b)");
  assert.deepEqual(
    migrations.map((one) => one.id),
    ["c", "d"],
  );
  assert.deepEqual(states(), {
    keep: "untried",
    copy: "untried",
    downgrade: "untried",
    restore: "untried",
  });
});

test("a database ahead by a merge is ahead by both its sides", () => {
  const merged = of("a", "x: a", "y: a", "m: x y");
  const { migrations } = plan({ revision: ["m"], target: of("a", "x: a"), present: merged });
  assert.deepEqual(
    migrations.map((one) => one.id),
    ["y", "m"],
  );
});

test("a verified rollback is used without being asked for", () => {
  const { action, attempts, strategies } = plan({ verifications: [verification] });
  assert.deepEqual([action, attempts], ["keep", ["keep"]]);
  assert.match(
    strategies.find((one) => one.databaseStrategy === "keep")!.detail,
    /answered 11 requests$/,
  );
});

for (const [name, other] of [
  ["of another image", { image: "sha256:other" }],
  ["on another revision", { revision: ["c"] }],
  ["on only one of two heads", { revision: ["d", "e"] }],
  ["that failed", { passed: false }],
] as const) {
  test(`a verification ${name} allows no rollback`, () => {
    assert.equal(plan({ verifications: [{ ...verification, ...other }] }).action, "refuse");
  });
}

test("a verification that failed says so, with what was seen", () => {
  const failed = {
    ...verification,
    passed: false,
    detail: "GET /v1/agents/: expected 2xx, got 500",
  };
  const [keep] = plan({ verifications: [failed] }).strategies;
  assert.equal(keep?.state, "failed");
  assert.match(keep?.detail ?? "", /got 500$/);
});

test("of two verifications of the same the newer one counts, which comes first", () => {
  const failed = { ...verification, passed: false };
  assert.equal(plan({ verifications: [failed, verification] }).action, "refuse");
  assert.equal(plan({ verifications: [verification, failed] }).action, "keep");
});

for (const databaseStrategy of ["keep", "copy", "downgrade", "restore"] as const) {
  test(`${databaseStrategy} is tried, and nothing else, where it is asked for`, () => {
    const { action, attempts } = plan({ input: databaseStrategy, verifications: [verification] });
    assert.deepEqual([action, attempts], [databaseStrategy, [databaseStrategy]]);
  });
}

test("auto tries what loses nothing first, and never the backup", () => {
  const { action, attempts } = plan({ input: "auto" });
  assert.deepEqual([action, attempts], ["keep", ["keep", "copy", "downgrade"]]);
});

test("without a backup from before the migration, copy and restore are impossible", () => {
  assert.deepEqual(states({ backup: undefined }), {
    keep: "untried",
    copy: "impossible",
    downgrade: "untried",
    restore: "impossible",
  });
  for (const input of ["copy", "restore"] as const) {
    const { action, attempts } = plan({ backup: undefined, input });
    assert.deepEqual([action, attempts], ["refuse", []]);
  }
  assert.deepEqual(plan({ backup: undefined, input: "auto" }).attempts, ["keep", "downgrade"]);
});

test("what a strategy loses is listed with it, with the backup it comes from", () => {
  const details = Object.fromEntries(
    plan().strategies.map((one) => [one.databaseStrategy, one.detail]),
  );
  for (const databaseStrategy of ["copy", "restore"])
    assert.match(
      details[databaseStrategy]!,
      /backup 000002-20260102T030405Z of 2026-01-02T03:04:05/,
    );
  for (const databaseStrategy of ["copy", "downgrade", "restore"])
    assert.match(details[databaseStrategy]!, /loses/);
  assert.match(details["keep"]!, /loses nothing/);
});

test("a revision that no image at hand knows is refused without a way, whatever is asked", () => {
  for (const input of [undefined, ...databaseOptions]) {
    const { action, strategies, attempts, why } = plan({
      revision: ["zz"],
      input,
      verifications: [verification],
    });
    assert.deepEqual([action, strategies, attempts], ["refuse", [], []]);
    assert.equal(why, "no image at hand knows the database's revision zz");
  }
});

test("a database at one revision that is known and one that is not is refused", () => {
  assert.equal(plan({ revision: ["b", "zz"], input: "auto" }).action, "refuse");
  assert.deepEqual(plan({ revision: ["b", "zz"] }).strategies, []);
});

test("an image of another branch is not taken for an older one", () => {
  const other = of("a", "b: a", "fork: b");
  const { action, strategies } = plan({ target: other, input: "keep" });
  assert.deepEqual([action, strategies], ["refuse", []]);
});

test("a role that may make no database leaves the present one: keep alone is possible", () => {
  const limited = plan({ mayRestore: false, input: "auto" });
  assert.deepEqual(limited.attempts, ["keep"]);
  for (const one of limited.strategies.filter(
    ({ databaseStrategy }) => databaseStrategy !== "keep",
  )) {
    assert.equal(one.state, "impossible");
    assert.match(one.detail, /may not copy or restore databases/);
  }
});

const id = fc.constantFrom("a", "b", "c", "d", "x", "y", "m");
const history = fc.subarray([...of("a", "b: a", "c: b", "d: c", "x: a", "y: a", "m: x y")]);
const anyFacts = fc.record({
  revision: fc.option(fc.uniqueArray(id, { maxLength: 3 }), { nil: undefined }),
  image: fc.constantFrom("sha256:old", "sha256:new"),
  target: history,
  present: history,
  verifications: fc.array(
    fc.record({
      image: fc.constantFrom("sha256:old", "sha256:new"),
      revision: fc.uniqueArray(id, { maxLength: 2 }),
      passed: fc.boolean(),
      detail: fc.constant("seen"),
    }),
    { maxLength: 4 },
  ),
  backup: fc.option(fc.constant(backup), { nil: undefined }),
  input: fc.option(fc.constantFrom(...databaseOptions), { nil: undefined }),
  unmarked: fc.constant(undefined),
  mayRestore: fc.boolean(),
});
const holds = (claim: (facts: SchemaFacts, made: ReturnType<typeof planSchema>) => void) =>
  fc.assert(
    fc.property(anyFacts, (one) => claim(one, planSchema(one))),
    { numRuns: 2000 },
  );

test("nothing is migrated or left alone where the image does not know the revision", () => {
  holds(({ revision = [], target }, { action }) => {
    if (target.length === 0) return; // not here yet: no one can know
    const known = revision.every((one) => target.some((own) => own.id === one));
    if (!known) assert.ok(action !== "none" && action !== "migrate", action);
  });
});

test("nothing is left alone but a database at the image's own heads", () => {
  holds(({ revision = [], target }, { action }) => {
    if (action === "none") assert.deepEqual([...revision].sort(), headsOf(target));
  });
});

test("a backup comes back only where that was asked for by its name", () => {
  holds(({ input }, { action, attempts }) => {
    if (action === "restore" || attempts.includes("restore")) assert.equal(input, "restore");
  });
});

test("no way is taken unasked but one that passed with this image on this revision", () => {
  holds(({ input, image, revision = [], verifications }, { attempts }) => {
    if (input !== undefined || attempts.length === 0) return;
    assert.deepEqual(attempts, ["keep"]);
    const own = (one: SchemaFacts["verifications"][number]) =>
      one.image === image && [...one.revision].sort().join() === [...revision].sort().join();
    assert.ok(verifications.find(own)?.passed);
  });
});

test("what is done first is the first of what is tried, and nothing impossible is tried", () => {
  holds((_, { action, attempts, strategies }) => {
    if (strategies.length > 0) assert.equal(action, attempts[0] ?? "refuse");
    for (const databaseStrategy of attempts)
      assert.notEqual(
        strategies.find((one) => one.databaseStrategy === databaseStrategy)?.state,
        "impossible",
      );
  });
});
