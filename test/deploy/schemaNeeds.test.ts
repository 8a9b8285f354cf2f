import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaNeeds } from "../../scripts/deploy/decide.ts";

const step = { id: "b", down: ["a"], title: "adds b" };
const plan = { revision: ["a"], migrations: [step], strategies: [], attempts: [] };
const keep = (state: "verified" | "untried") => ({
  ...plan,
  action: "keep" as const,
  strategies: [{ databaseStrategy: "keep" as const, state, detail: "" }],
  attempts: ["keep" as const],
});

test("what takes a backup needs pg_dump, and nothing else does", () => {
  assert.deepEqual(schemaNeeds({ ...plan, action: "none" }), []);
  assert.deepEqual(schemaNeeds({ ...plan, action: "migrate" }), ["migrate", "dump"]);
  assert.deepEqual(schemaNeeds({ ...plan, action: "migrate", revision: [] }), ["migrate"]);
  assert.deepEqual(schemaNeeds(keep("verified")), []);
  assert.deepEqual(schemaNeeds(keep("untried")), ["dump"]);
  assert.deepEqual(schemaNeeds({ ...plan, action: "restore", attempts: ["restore"] }), ["dump"]);
  assert.deepEqual(schemaNeeds({ ...plan, action: "copy", attempts: ["copy"] }), []);
});
