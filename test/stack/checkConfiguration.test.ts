import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfiguration } from "../../scripts/stack/checkConfiguration.ts";

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

test("a configuration without a fault has no finding", () => {
  assert.deepEqual(checkConfiguration(good()), []);
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
    (of) => traces(of).processors.splice(1, 0, "filter"),
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
    "a pipeline no one feeds",
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
    (of) => {
      of.processors["resource"] = {};
      traces(of).processors = ["resource", "memory_limiter", "batch"];
    },
    "service.pipelines.traces: expected memory_limiter first, got resource",
  ],
  [
    "sampling before something that takes out",
    (of) => {
      of.processors["probabilistic_sampler"] = {};
      of.processors["transform/privacy"] = {};
      traces(of).processors = [
        "memory_limiter",
        "probabilistic_sampler",
        "transform/privacy",
        "batch",
      ];
    },
    "service.pipelines.traces: expected transform/privacy before probabilistic_sampler",
  ],
  [
    "no batch at the end",
    (of) => (traces(of).processors = ["memory_limiter"]),
    "service.pipelines.traces: expected batch last, got memory_limiter",
  ],
  [
    "no memory limiter",
    (of) => (traces(of).processors = ["batch"]),
    "service.pipelines.traces: expected memory_limiter first, got batch",
  ],
  [
    "a signal without a pipeline",
    (of) => delete of.service.pipelines["logs"],
    "service.pipelines: expected logs",
  ],
  [
    "an exporter without a pipeline",
    (of) => (of.exporters["debug"] = {}),
    "exporters.debug: expected to be used, nothing names it",
  ],
  [
    "an extension without use",
    (of) => (of.extensions["zpages"] = {}),
    "extensions.zpages: expected to be used, nothing names it",
  ],
  [
    "a value that 0.96 expands twice",
    (of) => (of.exporters["file"] = { path: "${env:HOME}" }),
    "exporters.file.path: expected ${NAME} or $$, got ${env:HOME}: the collector would expand it, 0.96 what comes of ${env:…} a second time",
  ],
  [
    "a lone dollar",
    (of) => (of.exporters["file"] = { path: "/a/$b" }),
    "exporters.file.path: expected ${NAME} or $$, got $b: the collector would expand it, 0.96 what comes of ${env:…} a second time",
  ],
  [
    "a queue in a storage that is not there",
    (of) => (of.exporters["file"] = { storage: "file_storage/queue" }),
    "exporters.file.storage: expected one of service.extensions, got file_storage/queue",
  ],
  [
    "pprof for everybody",
    (of) => {
      of.extensions["pprof"] = { endpoint: "0.0.0.0:1777" };
      of.service.extensions.push("pprof");
    },
    "extensions.pprof.endpoint: expected a loopback address, got 0.0.0.0:1777",
  ],
  [
    "a receiver's endpoint without a port",
    (of) => (of.receivers["otlp"] = { protocols: { grpc: { endpoint: "0.0.0.0" } } }),
    "receivers.otlp.protocols.grpc.endpoint: expected host:port, got 0.0.0.0",
  ],
];

for (const [description, spoil, fault] of broken) {
  test(`${description} is a fault, and the only one`, () => {
    const configuration = good();
    spoil(configuration);
    assert.deepEqual(checkConfiguration(configuration), [fault]);
  });
}

const sent = (endpoint: string) => ({
  endpoint,
  sending_queue: { storage: "file_storage" },
  retry_on_failure: { max_elapsed_time: "0s" },
});

/** A configuration that sends traces to one exporter. */
function sending(name: string, exporter: object) {
  const configuration = good();
  configuration.extensions["file_storage"] = {};
  configuration.service.extensions.push("file_storage");
  configuration.exporters[name] = exporter;
  traces(configuration).exporters.push(name);
  return configuration;
}

const strategies: readonly [string, string, string | undefined][] = [
  ["clickhouse", "http://host:8123", undefined],
  ["clickhouse", "tcp://host:9000", "expected http:// or https://, got tcp://host:9000"],
  ["clickhouse", "", "expected http:// or https://, got "],
  ["otlp/signoz", "host:4317", undefined],
  ["otlp/signoz", "https://host:443", undefined],
  ["otlp/signoz", "host", "expected a host with its port, got host"],
];

for (const [name, endpoint, fault] of strategies) {
  test(`${name} at "${endpoint}" is ${fault === undefined ? "no" : "a"} fault`, () => {
    const expected = fault === undefined ? [] : [`exporters.${name}.endpoint: ${fault}`];
    assert.deepEqual(checkConfiguration(sending(name, sent(endpoint))), expected);
  });
}

test("what leaves the machine must queue on disk and be tried for ever", () => {
  assert.deepEqual(checkConfiguration(sending("otlphttp", { endpoint: "http://host" })), [
    "exporters.otlphttp: expected sending_queue.storage: what waits would be lost with the process",
    "exporters.otlphttp: expected retry_on_failure.max_elapsed_time 0s: it deletes what it tried so long",
  ]);
});

test("a fault begins with the place of what is wrong, or of what it stands in", () => {
  const configuration = good();
  traces(configuration).exporters.push("clickhouse");
  const places = new Map([["service.pipelines.traces", "otel/base.yaml:7"]]);
  const fault = "service.pipelines.traces: expected a defined component, got clickhouse";
  assert.deepEqual(checkConfiguration(configuration, places), [`otel/base.yaml:7: ${fault}`]);
  places.set("service.pipelines.traces.exporters[clickhouse]", "otel/clickhouse.yaml:9");
  assert.deepEqual(checkConfiguration(configuration, places), [`otel/clickhouse.yaml:9: ${fault}`]);
});

test("a pipeline that only counts for a connector makes no batches", () => {
  const configuration = good();
  configuration.connectors["statistics"] = {};
  configuration.service.pipelines["traces/statistics"] = {
    receivers: ["otlp"],
    processors: ["memory_limiter"],
    exporters: ["statistics"],
  };
  configuration.service.pipelines["metrics/statistics"] = {
    receivers: ["statistics"],
    processors: ["memory_limiter", "batch"],
    exporters: ["file"],
  };
  assert.deepEqual(checkConfiguration(configuration), []);
});

for (const end of ["exporters", "receivers"] as const) {
  test(`a connector that only stands among the ${end} is a fault`, () => {
    const configuration = good();
    configuration.connectors["statistics"] = {};
    traces(configuration)[end].push("statistics");
    assert.notDeepEqual(checkConfiguration(configuration), []);
  });
}
