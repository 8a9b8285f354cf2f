import assert from "node:assert/strict";
import { test } from "node:test";
import { listComponents } from "../../scripts/stack/fragments.ts";

test("components are recognised by type, each once, of all kinds, and pipelines are none", () => {
  const text = `
extensions: { health_check: {}, file_storage/queue: {} }
receivers: { otlp: {}, otlp/second: null }
processors: { batch: {} }
exporters: { file/traces: {}, file/logs: {} }
connectors: { datadog/connector: {} }
service: { pipelines: { traces/one: { receivers: [otlp], exporters: [file/traces] } } }
`;
  assert.deepEqual(listComponents(text), [
    "batch",
    "datadog",
    "file",
    "file_storage",
    "health_check",
    "otlp",
  ]);
});

test("a configuration that is empty has none", () => {
  assert.deepEqual(listComponents(""), []);
});
