import assert from "node:assert/strict";
import { test } from "node:test";
import { validationEnvironment } from "../../scripts/stack/explainRefusal.ts";
import { backends } from "./backends.ts";
import { composed } from "./composed.ts";

const made = validationEnvironment(composed("prod", backends["clickhouse+datadog"]));

test("every secret has a placeholder, and no secret's value is given", () => {
  assert.deepEqual(Object.keys(made).sort(), [
    "CLICKHOUSE_PASSWORD",
    "CONFIGURATION",
    "DD_API_KEY",
  ]);
  assert.ok(!JSON.stringify(made).includes("-secret-"));
});

test("the queue's directories are ones that every image has", () => {
  const directories = [...made["CONFIGURATION"]!.matchAll(/directory: (.*)/g)].map(
    ([, one]) => one,
  );
  assert.deepEqual(directories, ["/", "/"]);
});
