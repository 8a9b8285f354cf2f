import assert from "node:assert/strict";
import { test } from "node:test";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import { backends } from "./backends.ts";
import { composed } from "./composed.ts";

const routesOf = (text: string) =>
  readDelivery(text).routes.map((one) => `${one.signal} ${one.exporter}`);
const each = (...exporters: string[]) =>
  ["traces", "metrics", "logs"].flatMap((signal) =>
    exporters.map((one) => `${signal} ${one.replace("*", signal)}`),
  );

test("every profile's ways out are read from what was composed for it", () => {
  assert.deepEqual(routesOf(composed("prod", backends.file)), each("file/*"));
  assert.deepEqual(routesOf(composed("prod", backends.clickhouse)), each("clickhouse"));
  assert.deepEqual(routesOf(composed("dev", backends.clickhouse)), each("clickhouse", "file/*"));
  assert.deepEqual(routesOf(composed("prod", backends.signoz)), each("otlp/signoz"));
  const both = composed("prod", backends["clickhouse+datadog"]);
  assert.deepEqual(routesOf(both), each("clickhouse", "datadog"));
});

test("what can be read is known: files by their signal, ClickHouse with its tables", () => {
  const dev = readDelivery(composed("dev", backends.clickhouse));
  assert.deepEqual(dev.files, {
    traces: "/var/lib/otelcol/traces.json",
    metrics: "/var/lib/otelcol/metrics.json",
    logs: "/var/lib/otelcol/logs.json",
  });
  assert.deepEqual(dev.clickHouse, {
    exporter: "clickhouse",
    endpoint: "http://clickhouse:8123",
    database: "otel",
    tables: { traces: "otel_traces", metrics: "otel_metrics_gauge", logs: "otel_logs" },
  });
  const signoz = readDelivery(composed("prod", backends.signoz));
  assert.deepEqual([signoz.files, signoz.clickHouse], [{}, undefined]);
});

test("batches and time-outs are those of the configuration", () => {
  const prod = readDelivery(composed("prod", backends["clickhouse+datadog"]));
  assert.deepEqual([prod.batchMs, prod.batchSize, prod.batchMaximum], [10_000, 8192, 0]);
  const timeout = (exporter: string) =>
    prod.routes.find((one) => one.exporter === exporter)?.timeoutMs;
  assert.deepEqual([timeout("clickhouse"), timeout("datadog")], [10_000, 15_000]);
  const dev = readDelivery(composed("dev", backends.file));
  assert.deepEqual([dev.batchMs, dev.batchSize], [1000, 1024]);
});

test("a newer version's configuration promises the same", () => {
  const newer = composed("prod", { ...backends.clickhouse, OTEL_VERSION: "0.161.0" });
  assert.deepEqual(readDelivery(newer), readDelivery(composed("prod", backends.clickhouse)));
});

const written = (pipelines: string, connectors = "{ forward: {}, datadog/connector: {} }") => `
connectors: ${connectors}
exporters:
  otlp_grpc/a: { timeout: 1m30s, sending_queue: { batch: { flush_timeout: 200ms } } }
  otlp/b: {}
service:
  pipelines:
${pipelines}`;

test("a connector hands a signal on to where it leads; what it makes of it for another does not count", () => {
  const text = written(`
    traces: { receivers: [otlp], exporters: [forward, datadog/connector] }
    traces/sampled: { receivers: [forward], exporters: [otlp_grpc/a] }
    metrics/datadog: { receivers: [datadog/connector], exporters: [otlp/b] }
    logs: { receivers: [filelog], exporters: [otlp/b] }`);
  assert.deepEqual(readDelivery(text).routes, [
    { exporter: "otlp_grpc/a", signal: "traces", timeoutMs: 90_200 },
  ]);
});

test("what nothing comes into over OTLP is no way out, even in a circle", () => {
  const text = written(
    `
    traces/a: { receivers: [one], exporters: [two, otlp/b] }
    traces/b: { receivers: [two], exporters: [one] }`,
    "{ one: {}, two: {} }",
  );
  assert.deepEqual(readDelivery(text).routes, []);
});

test("own tables of ClickHouse are read by their own names, and $$ is one $", () => {
  const { clickHouse } = readDelivery(`
exporters:
  clickhouse:
    endpoint: http://ch:8123
    database: o$$tel
    traces_table_name: t
    logs_table_name: l
    metrics_tables: { gauge: { name: g } }
service:
  pipelines:
    traces: { receivers: [otlp/in], exporters: [clickhouse] }`);
  assert.equal(clickHouse?.database, "o$tel");
  assert.deepEqual(clickHouse?.tables, { traces: "t", metrics: "g", logs: "l" });
});
