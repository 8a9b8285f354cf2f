import assert from "node:assert/strict";
import test from "node:test";
import { planCopy } from "../../scripts/database/planCopy.ts";
import type { Schema } from "../../scripts/database/schema.ts";

/** A schema of these tables and their columns; a column that ends in "=" is generated. */
function schemaOf(
  tables: Readonly<Record<string, readonly string[]>>,
  sequences: string[] = [],
): Schema {
  const column = (name: string) => ({
    name: name.replace("=", ""),
    type: "text",
    nullable: true,
    default: null,
    generated: name.endsWith("="),
    identity: false,
  });
  const made = Object.entries(tables).map(([key, columns]) => {
    const [schema = "", name = ""] = key.split(".");
    return [key, { schema, name, partitioned: false, columns: columns.map(column) }] as const;
  });
  return {
    tables: Object.fromEntries(made),
    indexes: {},
    constraints: {},
    enums: {},
    views: {},
    routines: {},
    sequences,
  };
}

const version = { "public.alembic_version": ["version_num"] };

test("only what both know is copied, without what is computed", () => {
  const old = schemaOf({ ...version, "public.a": ["id", "sum=", "old"], "public.gone": ["x"] });
  const live = schemaOf({ ...version, "public.a": ["id", "sum=", "new"], "public.new": ["x"] });
  const plan = planCopy(old, live, []);
  assert.deepEqual(plan.copied, [{ table: "public.a", columns: ['"id"'] }]);
  assert.deepEqual(plan.noPlace, [{ table: "public.new" }, { table: "public.a", column: "new" }]);
  assert.deepEqual(plan.unfilled, [{ table: "public.gone" }, { table: "public.a", column: "old" }]);
});

test("a table of which no column is known any longer has no place, rather than empty rows", () => {
  const plan = planCopy(schemaOf({ "public.a": ["x"] }), schemaOf({ "public.a": ["y"] }), []);
  assert.deepEqual(plan.copied, []);
  assert.deepEqual(plan.noPlace, [{ table: "public.a" }]);
});

test("Alembic's own table comes from the dump without being named", () => {
  const plan = planCopy(schemaOf(version), schemaOf(version), []);
  assert.deepEqual(plan.fromDump, ["public.alembic_version"]);
  assert.deepEqual([...plan.restored], [["public", ["alembic_version"]]]);
});

test("a sequence that only the dump has is set by the dump, the others by the live database", () => {
  const old = schemaOf({ "s.a": ["id"] }, ['s."a.id seq"', "s.both"]);
  const plan = planCopy(old, schemaOf({ "s.a": ["id"] }, ["s.both"]), []);
  assert.deepEqual(plan.sequences, ["s.both"]);
  assert.deepEqual([...plan.restored], [["s", ["a.id seq"]]]);
});

test("a name that two schemas have must be reported with its schema", () => {
  const old = schemaOf({ "s.a": ["id"], "t.a": ["id"] });
  assert.throws(() => planCopy(old, old, ["a"]), {
    code: "USAGE",
    details: ["which of s.a, t.a?"],
  });
  assert.deepEqual(planCopy(old, old, ["t.a"]).fromDump, ["t.a"]);
});
