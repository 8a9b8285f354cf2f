import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeConfiguration } from "../../scripts/collector/judgeConfiguration.ts";

interface Pipeline {
  receivers: string[];
  processors: string[];
  exporters: string[];
}

const good = () => {
  const pipeline = (): Pipeline => ({
    receivers: ["otlp"],
    processors: ["memory_limiter", "batch"],
    exporters: ["file"],
  });
  return {
    extensions: { health_check: {} } as Record<string, unknown>,
    receivers: { otlp: {} } as Record<string, unknown>,
    processors: { memory_limiter: {}, batch: {} } as Record<string, unknown>,
    exporters: { file: {} } as Record<string, unknown>,
    connectors: {} as Record<string, unknown>,
    service: {
      extensions: ["health_check"],
      pipelines: { traces: pipeline(), metrics: pipeline(), logs: pipeline() } as Record<
        string,
        Pipeline
      >,
    },
  };
};

test("a configuration without a fault is told none", () => {
  assert.deepEqual(judgeConfiguration(good()), []);
});

const traces = (of: ReturnType<typeof good>) => of.service.pipelines["traces"]!;

/** Each rule, a configuration that breaks it, and all that is said of it. */
const broken: readonly [string, (of: ReturnType<typeof good>) => void, string][] = [
  [
    "a receiver that is not there",
    (of) => traces(of).receivers.push("jaeger"),
    "service.pipelines.traces: expected a defined component, got jaeger",
  ],
  [
    "a processor that is not there",
    (of) => traces(of).processors.push("filter"),
    "service.pipelines.traces: expected a defined component, got filter",
  ],
  [
    "an exporter that is not there",
    (of) => traces(of).exporters.push("clickhouse"),
    "service.pipelines.traces: expected a defined component, got clickhouse",
  ],
  [
    "an extension that is not there",
    (of) => of.service.extensions.push("pprof"),
    "service.extensions: expected a defined component, got pprof",
  ],
  [
    "a pipeline nobody feeds",
    (of) => (traces(of).receivers = []),
    "service.pipelines.traces: expected a receiver",
  ],
  [
    "a pipeline that ends nowhere",
    (of) => (traces(of).exporters = []),
    "service.pipelines.traces: expected an exporter",
  ],
  [
    "the memory limiter behind another",
    (of) => (traces(of).processors = ["batch", "memory_limiter"]),
    "service.pipelines.traces: expected memory_limiter first, got batch",
  ],
  [
    "no memory limiter",
    (of) => (traces(of).processors = ["batch"]),
    "service.pipelines.traces: expected memory_limiter first, got none",
  ],
  [
    "a signal without a pipeline",
    (of) => delete of.service.pipelines["logs"],
    "service.pipelines: expected logs",
  ],
  [
    "an exporter for nobody",
    (of) => (of.exporters["debug"] = {}),
    "exporters.debug: expected to be used, nothing names it",
  ],
  [
    "an extension for nobody",
    (of) => (of.extensions["zpages"] = {}),
    "extensions.zpages: expected to be used, nothing names it",
  ],
  [
    "a value that 0.96 expands twice",
    (of) => (of.exporters["file"] = { path: "${env:HOME}" }),
    "expected ${NAME}, got ${env:NAME}: 0.96 parses its value as YAML",
  ],
];

for (const [about, spoil, fault] of broken) {
  test(`${about} is a fault, and the only one`, () => {
    const configuration = good();
    spoil(configuration);
    assert.deepEqual(judgeConfiguration(configuration), [fault]);
  });
}

test("a pipeline that only a connector feeds needs no memory limiter", () => {
  const configuration = good();
  configuration.connectors["statistics"] = {};
  traces(configuration).exporters.push("statistics");
  configuration.service.pipelines["metrics/statistics"] = {
    receivers: ["statistics"],
    processors: [],
    exporters: ["file"],
  };
  assert.deepEqual(judgeConfiguration(configuration), []);
});

for (const end of ["exporters", "receivers"] as const) {
  test(`a connector that only stands among the ${end} is a fault`, () => {
    const configuration = good();
    configuration.connectors["statistics"] = {};
    traces(configuration)[end].push("statistics");
    assert.notDeepEqual(judgeConfiguration(configuration), []);
  });
}
