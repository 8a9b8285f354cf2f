import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./exampleStack.ts";

test("ClickHouse writes no user's password into its volume", () => {
  const text = readFileSync(join(root, "compose/clickhouse.yaml"), "utf8");
  const passwords = text.match(/<password\w*\b[^>]*>/gu) ?? [];
  assert.equal(passwords.length, 3);
  // What is not hidden stands in preprocessed_configs/users.xml as it is, from_env or not.
  for (const one of passwords) assert.match(one, /from_env=.*hide_in_preprocessed="true"/u);
});
