import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { migrateTables } from "../../scripts/stack/versionSteps.ts";
import { clickHouse, type ClickHouse } from "../fakes/otlp/clickHouse.ts";
import { collector, type Collector } from "../fakes/otlp/collector.ts";
import { builtCollector, composed } from "../fakes/otlp/composed.ts";
import { portsOf } from "./portsOf.ts";

// The real collector, the oldest and the newest that can be built here, with the configuration
// composed for each, on tables of its own and on those of the other. What it was sent is read
// back with SQL.
const oldest = "0.96.0";
const newest = "0.161.0";
const name = "letta-test-newest-clickhouse";
const settings = {
  OTEL_BATCH_TIMEOUT: "200ms",
  OTEL_SAMPLING_PERCENT: "100",
  OTEL_LOG_FILE: "false",
};
const metricTables = ["gauge", "sum", "histogram", "exponential_histogram", "summary"];
const images = new Map<string, string>();
let store: ClickHouse;

before(async () => {
  store = clickHouse({
    name: `${name}-store`,
    network: name,
    port: portsOf("newestClickHouse") + 10,
  });
  for (const version of [oldest, newest]) {
    images.set(version, builtCollector({ ...store.settings, OTEL_VERSION: version }));
  }
  await store.start();
  assert.ok(await store.answers());
});
after(() => store.remove());

/** Runs a collector of a version for as long as something is done with it. */
async function withCollector(
  version: string,
  act: (one: Collector) => Promise<void>,
  { given = {}, starts = true }: { given?: Record<string, string>; starts?: boolean } = {},
) {
  const values = { ...settings, ...store.settings, OTEL_VERSION: version, ...given };
  const { configuration, secrets } = composed("prod", values);
  const image = images.get(version)!;
  const one = collector({
    name,
    image,
    firstPort: portsOf("newestClickHouse"),
    network: name,
    configuration,
    secrets,
  });
  try {
    await one.start();
    if (starts) assert.ok(await one.healthy(), one.log().join("\n"));
    await act(one);
  } finally {
    await one.remove();
  }
}

/** Sends a span, a log record and a metric of each kind. @returns what tells them from others */
async function send(one: Collector): Promise<string> {
  const id = randomBytes(8).toString("hex");
  const time = `${Date.now()}000000`;
  const resource = {
    attributes: [{ key: "service.name", value: { stringValue: "newest" } }],
  };
  const point = { timeUnixNano: time, startTimeUnixNano: time };
  const spread = { ...point, count: "3", sum: 6, bucketCounts: ["1", "2"], explicitBounds: [2] };
  const buckets = { offset: 1, bucketCounts: ["1", "2"] };
  const exponential = { ...point, count: "3", sum: 6, scale: 2, positive: buckets };
  const quantiles = { ...point, count: "3", sum: 6, quantileValues: [{ quantile: 0.5, value: 2 }] };
  const temporality = { aggregationTemporality: 2 };
  const kinds = {
    gauge: { dataPoints: [{ ...point, asInt: "1" }] },
    sum: { dataPoints: [{ ...point, asDouble: 2.5 }], isMonotonic: true, ...temporality },
    histogram: { dataPoints: [spread], ...temporality },
    exponentialHistogram: { dataPoints: [exponential], ...temporality },
    summary: { dataPoints: [quantiles] },
  };
  const span = {
    traceId: `${id}${id}`,
    spanId: id,
    name: "newest",
    kind: 2,
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    attributes: [{ key: "letters", value: { stringValue: "ÄÖÜ ß 'quoted' \\" } }],
    events: [{ timeUnixNano: time, name: "event" }],
  };
  const record = {
    timeUnixNano: time,
    severityNumber: 9,
    body: { stringValue: id },
    eventName: "happened",
  };
  const metrics = Object.entries(kinds).map(([kind, data]) => ({ name: id, [kind]: data }));
  const messages = {
    traces: { resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] },
    metrics: { resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] },
    logs: { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] },
  };
  for (const [signal, message] of Object.entries(messages)) {
    const reply = await one.ask(4318, `/v1/${signal}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(message),
    });
    assert.equal(reply.status, 200, reply.body);
  }
  return id;
}

/** Waits for what must become true; reports what it found instead. */
async function becomes(holds: () => boolean | Promise<boolean>, seen: () => unknown, ms = 20_000) {
  const until = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > until) {
      assert.fail(`not within ${ms} ms: ${JSON.stringify(await seen())}`);
    }
    await sleep(200);
  }
}

/** Sends to a collector, and waits until each table has its one row. @returns what was sent */
async function assertArrival(one: Collector): Promise<string> {
  const id = await send(one);
  const counted = [
    ["otel_traces", "SpanId"],
    ["otel_logs", "Body"],
    ...metricTables.map((kind) => [`otel_metrics_${kind}`, "MetricName"]),
  ].map(([table, column]) => `SELECT '${table}', count() FROM ${table} WHERE ${column} = '${id}'`);
  const wrong = async () => {
    const rows = await store.ask(counted.join(" UNION ALL "), "otel").catch(String);
    return typeof rows === "string" ? [rows] : rows.filter(([, count]) => count !== "1");
  };
  await becomes(
    async () => (await wrong()).length === 0,
    async () => [...(await wrong()), ...one.log().slice(-20)],
  );
  const letters = `SELECT SpanAttributes['letters'] = 'ÄÖÜ ß \\'quoted\\' \\\\', ServiceName FROM otel_traces WHERE SpanId = '${id}'`;
  assert.deepEqual(await store.ask(letters, "otel"), [["1", "newest"]]);
  return id;
}

async function fit(version: string): Promise<void> {
  for (const sql of migrateTables(version)) await store.ask(sql, "otel");
}

const oneOf = async (sql: string) => (await store.ask(sql, "otel")).flat();

test("the newest makes its tables and writes every kind of data, however the way is compressed", async () => {
  for (const databaseStrategy of [
    "",
    "?compress=lz4",
    "?compress=zstd",
    "?compress=gzip",
    "?compress=none",
  ]) {
    const given = {
      CLICKHOUSE_ENDPOINT: `${store.settings["CLICKHOUSE_ENDPOINT"]}${databaseStrategy}`,
    };
    await withCollector(newest, async (one) => void (await assertArrival(one)), { given });
  }
});

test("the oldest writes to tables that the newest made", async () => {
  await fit(oldest);
  await withCollector(oldest, async (one) => {
    const id = await assertArrival(one);
    assert.deepEqual(
      await oneOf(`SELECT AggTemp FROM otel_metrics_sum WHERE MetricName = '${id}'`),
      ["2"],
    );
  });
});

test("the newest writes to tables that the oldest made, and the oldest still does", async () => {
  await store.ask("DROP DATABASE otel");
  await withCollector(oldest, async (one) => void (await assertArrival(one)));
  await fit(newest);
  await withCollector(newest, async (one) => {
    const id = await assertArrival(one);
    const sum = "SELECT AggregationTemporality, ServiceName FROM otel_metrics_sum";
    assert.deepEqual(await oneOf(`${sum} WHERE MetricName = '${id}'`), ["2", "newest"]);
    const event = `SELECT EventName FROM otel_logs WHERE Body = '${id}'`;
    assert.deepEqual(await oneOf(event), ["happened"]);
  });
  await fit(oldest);
  await withCollector(oldest, async (one) => void (await assertArrival(one)));
});

test("where no one ran the SQL for it, the newest keeps the metrics until someone does", async () => {
  await store.ask("DROP DATABASE otel");
  await withCollector(oldest, async (one) => void (await assertArrival(one)));
  await withCollector(newest, async (one) => {
    const id = await send(one);
    const isReported = () => one.log().some((line) => line.includes("column ServiceName"));
    await becomes(isReported, () => one.log().slice(-20).join("\n"));
    const found = () => oneOf(`SELECT MetricName FROM otel_metrics_sum WHERE MetricName = '${id}'`);
    assert.deepEqual(await found(), []);
    await fit(newest);
    await becomes(async () => (await found()).length > 0, found, 40_000);
  });
});

test("a wrong password ends the newest at its start with the answer's status", async () => {
  const given = { CLICKHOUSE_PASSWORD: "wrongPassword" };
  await withCollector(
    newest,
    async (one) => {
      await becomes(
        () => one.state().status === "exited",
        () => one.log(),
      );
      // clickhouse-go cannot read the rest: no ClickHouse compresses what it says at the login.
      assert.match(one.log().join("\n"), /\[HTTP 403\] failed to read response/);
    },
    { given, starts: false },
  );
});
