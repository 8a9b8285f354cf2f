import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chooseProfile } from "../../scripts/stack/fragments.ts";
import { explainRefusal } from "../../scripts/stack/explainRefusal.ts";
import { root } from "./exampleStack.ts";
import { backends } from "./backends.ts";
import { lookupIn } from "./composed.ts";

const lookup = lookupIn("dev", backends.clickhouse);
const { fragments } = chooseProfile("dev", lookup);
const explain = (words: string) => explainRefusal(root, fragments, lookup, words);

/** "otel/x.yaml:n: path", where the line is the first that holds a text. */
function at(fragment: string, text: string, path: string): string {
  const lines = readFileSync(join(root, "otel", `${fragment}.yaml`), "utf8").split("\n");
  return `otel/${fragment}.yaml:${lines.findIndex((line) => line.includes(text)) + 1}: ${path}`;
}

test("0.96's words for a wrong key lead to the key's own line", () => {
  const words = `* error decoding 'exporters': error reading configuration for "clickhouse": 1 error(s) decoding:

* '' has invalid keys: timeout`;
  assert.deepEqual(explain(words), [at("clickhouse", "timeout:", "exporters.clickhouse.timeout")]);
});

test("a wrong key of the collector's own service is found too", () => {
  assert.deepEqual(explain("* 'service.telemetry.metrics' has invalid keys: address"), [
    at("base", "address:", "service.telemetry.metrics.address"),
  ]);
});

test("the newest version's words lead to the key's line too, unknown or unreadable", () => {
  const start = `'exporters' error reading configuration for "clickhouse": decoding failed:\n\n`;
  const ttl = at("clickhouse", "ttl:", "exporters.clickhouse.ttl");
  assert.deepEqual(explain(`${start}'queuebatch.Config' has invalid keys: ttl`), [ttl]);
  assert.deepEqual(explain(`${start}'ttl' time: invalid duration`), [ttl]);
});

test("words about a component's value lead to the component", () => {
  assert.deepEqual(explain("Error: exporters::clickhouse: endpoint must be url format"), [
    at("clickhouse", "  clickhouse:", "exporters.clickhouse"),
  ]);
});

test("words about a pipeline lead to the highest fragment that has it", () => {
  const words =
    'Error: service::pipelines::traces: references exporter "x" which is not configured';
  assert.deepEqual(explain(words), [at("batch", "traces:", "service.pipelines.traces")]);
});

test("words that name nothing lead nowhere", () => {
  assert.deepEqual(explain("Error: no such file"), []);
});
