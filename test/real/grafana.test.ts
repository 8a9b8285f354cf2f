// Grafana's image cannot be had here: so each of its queries is run on the real engine, on rows
// that the real collector wrote. What Grafana itself does to a query is in expandMacros.ts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import { request } from "../../scripts/checks/request.ts";
import { alertRules, queries, type Query } from "../grafana/dashboardFiles.ts";
import { expandMacros, type Look } from "../grafana/expandMacros.ts";
import { expectedAnswers } from "../grafana/expectedAnswers.ts";
import { sample, sampleLogs, sampleMetrics, sampleTraces } from "../grafana/sampleTelemetry.ts";
import { clickHouse } from "../fakes/otlp/clickHouse.ts";
import { collector } from "../fakes/otlp/collector.ts";
import { exampleValues, lookupOf, root } from "../stack/exampleStack.ts";
import { portsOf } from "./portsOf.ts";

const name = "letta-test-grafana";
const port = portsOf("grafana");
const now = Date.now();

/** What an earlier run left that was killed, and what this one leaves. */
function clear(): void {
  const all = [name, `${name}-collector`];
  spawnSync("docker", ["rm", "-f", "-v", ...all]);
  spawnSync("docker", ["volume", "rm", "-f", ...all]);
  spawnSync("docker", ["network", "rm", name]);
}

clear();
const retained = clickHouse({ name, network: name, port });
const recipe = recipes("dev", lookupOf(exampleValues("dev"))).find(
  ({ role }) => role === "collector",
)!;
const writer = collector({
  name: `${name}-collector`,
  image: contentTag(root, recipe),
  firstPort: port + 1,
  network: name,
  secrets: retained.settings,
  configuration: `
extensions: { health_check: { endpoint: "0.0.0.0:13133" } }
receivers: { otlp: { protocols: { http: { endpoint: "0.0.0.0:4318" } } } }
processors:
  resource: { attributes: [{ key: environment, value: ${sample.environment}, action: upsert }] }
exporters:
  clickhouse:
    endpoint: \${CLICKHOUSE_ENDPOINT}
    database: \${CLICKHOUSE_DATABASE}
    username: \${CLICKHOUSE_USERNAME}
    password: \${CLICKHOUSE_PASSWORD}
    timeout: 30s
service:
  extensions: [health_check]
  pipelines:
    traces: { receivers: [otlp], processors: [resource], exporters: [clickhouse] }
    metrics: { receivers: [otlp], processors: [resource], exporters: [clickhouse] }
    logs: { receivers: [otlp], processors: [resource], exporters: [clickhouse] }
`,
});

interface Answer {
  readonly meta: readonly { readonly name: string; readonly type: string }[];
  readonly data: readonly Readonly<Record<string, unknown>>[];
}

/** Everything chosen, over the last quarter of an hour, and the trace that failed. */
const whole: Look = {
  from: Math.floor(now / 1000) - 900,
  to: Math.floor(now / 1000) + 900,
  interval: 30,
  variables: {
    environment: "'%'",
    agent_id: "'%'",
    device_id: "'%'",
    level: "'%'",
    search: "''",
    trace_id: `'${sample.failed}'`,
  },
};

async function ask(
  query: Query,
  chosen: Readonly<Record<string, string>> = {},
  database = retained.settings["CLICKHOUSE_DATABASE"]!,
): Promise<Answer> {
  const look = { ...whole, variables: { ...whole.variables, ...chosen } };
  const reply = await request(`http://127.0.0.1:${port}/?database=${database}`, {
    method: "POST",
    headers: {
      "X-ClickHouse-User": retained.settings["CLICKHOUSE_USERNAME"]!,
      "X-ClickHouse-Key": retained.settings["CLICKHOUSE_PASSWORD"]!,
      "X-ClickHouse-Format": "JSON",
    },
    body: expandMacros(query.sql, look),
    timeoutMs: 60_000,
  });
  if (reply.status !== 200) throw new Error(`${query.place}: ${reply.body}`);
  return JSON.parse(reply.body) as Answer;
}

const find = (place: string) => queries.find((one) => one.place === place)!;

before(async () => {
  await retained.start();
  assert.ok(await retained.answers(), "ClickHouse does not answer");
  await retained.ask("CREATE DATABASE IF NOT EXISTS otel");
  await writer.start();
  assert.ok(await writer.healthy(), writer.log().join("\n"));
  const sent = { traces: sampleTraces(now), logs: sampleLogs(now), metrics: sampleMetrics(now) };
  for (const [signal, body] of Object.entries(sent)) {
    const reply = await request(`http://127.0.0.1:${port + 2}/v1/${signal}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      timeoutMs: 30_000,
    });
    assert.equal(reply.status, 200, `${signal}: ${reply.body}`);
  }
  const tables = ["traces", "logs", "metrics_gauge", "metrics_sum", "metrics_histogram"];
  for (const table of tables) {
    for (let tries = 0; ; tries += 1) {
      const [[count]] = (await retained.ask(`SELECT count() FROM otel_${table}`, "otel")) as [
        string[],
      ];
      if (Number(count) > 0) break;
      assert.ok(tries < 100, `no rows in otel_${table}: ${writer.log().slice(-5).join("\n")}`);
      await sleep(200);
    }
  }
});

after(async () => {
  await writer.remove();
  await retained.remove();
  clear();
});

test("every query of Grafana's, and no other, is expected to answer something", () => {
  assert.deepEqual(queries.map(({ place }) => place).sort(), Object.keys(expectedAnswers).sort());
});

for (const query of queries) {
  test(`${query.place} answers with rows in the columns that its panel reads`, async () => {
    const { meta, data } = await ask(query);
    assert.equal(meta.map((column) => column.name).join(" "), expectedAnswers[query.place]);
    assert.notEqual(data.length, 0, "no rows");
    assert.deepEqual(unfit(query.kind, meta), []);
  });
}

const isText = (type: string) => /^(LowCardinality\()?String\)?$/.test(type);
const isNumber = (type: string) => /^(U?Int|Float)\d+$/.test(type);
const isTime = (type: string) => /^DateTime(64\(\d)?/.test(type);

/** Columns of a type that Grafana could make nothing of in a panel of this kind. */
function unfit(kind: Query["kind"], meta: Answer["meta"]): string[] {
  const said = meta.map((column) => `${column.name} ${column.type}`);
  const types = meta.map((column) => column.type);
  const [first = "", ...rest] = types;
  if (kind === "timeseries") {
    // One column of texts makes a series of each text; the plugin turns rows into columns.
    const texts = rest.filter(isText);
    const fits =
      isTime(first) && texts.length < 2 && rest.every((one) => isText(one) || isNumber(one));
    return fits ? [] : said;
  }
  if (kind === "alert" || kind === "stat") {
    // An expression takes a table whose one number has texts for labels.
    const fits =
      types.filter(isNumber).length === 1 && types.every((one) => isText(one) || isNumber(one));
    return fits ? [] : said;
  }
  if (kind === "variable") return types.length === 1 && isText(first) ? [] : said;
  if (kind === "annotation") return types.slice(0, 2).every(isTime) ? [] : said;
  if (kind === "logs") return isTime(first) && types[3]?.startsWith("Map(") ? [] : said;
  return [];
}

test("a broken query is recognised by its dashboard and panel", async () => {
  const query = find('server.json, panel "Routes"');
  const broken = { ...query, sql: query.sql.replace("SpanName AS route", "SpanNam AS route") };
  assert.notEqual(broken.sql, query.sql);
  await assert.rejects(ask(broken), /^Error: server\.json, panel "Routes": Code: 47\b.*SpanNam/s);
});

test("the server's dashboard counts requests, and neither health checks nor the tool's own", async () => {
  const { data } = await ask(find('server.json, panel "Requests"'));
  const counted = Object.groupBy(data, (row) => String(row["outcome"]));
  const sum = (rows: typeof data = []) =>
    Math.round(rows.reduce((total, row) => total + Number(row["requests"]) * whole.interval, 0));
  assert.deepEqual(
    Object.fromEntries(Object.entries(counted).map(([outcome, rows]) => [outcome, sum(rows)])),
    { answered: 1, "failed (5xx)": 1, "refused (4xx)": 1 },
  );
});

test("an error is shown with what the exception said and the way to its trace", async () => {
  const { data } = await ask(find('server.json, panel "Latest errors"'));
  const failed = data.find((row) => row["trace"] === sample.failed);
  assert.equal(failed?.["exception"], `OperationalError: ${sample.message}`);
  assert.deepEqual(data.map((row) => row["trace"]).sort(), [sample.failed, sample.refused]);
});

const traces = async (chosen: Record<string, string>) => {
  const { data } = await ask(find('agent.json, panel "Traces"'), chosen);
  return data.map((row) => row["trace"]);
};

test("an agent's traces are those and no others, an installation's too", async () => {
  assert.deepEqual(await traces({ agent_id: `'${sample.agent}'` }), [
    sample.failed,
    sample.answered,
  ]);
  assert.equal((await traces({ device_id: `'${sample.device}'` })).length, 5);
  assert.deepEqual(await traces({ device_id: "'another'" }), []);
  assert.deepEqual(await traces({ environment: "'prod'" }), []);
});

test("a trace is shown with all its spans and what was logged meanwhile", async () => {
  const chosen = { trace_id: `'${sample.answered}'` };
  const { data } = await ask(find('agent.json, panel "Trace"'), chosen);
  const [first, second] = data;
  assert.deepEqual(
    data.map((row) => row["operationName"]),
    ["POST /v1/agents/{agent_id}/messages", "LettaAgentV3.step"],
  );
  assert.equal(second?.["parentSpanID"], first?.["spanID"]);
  assert.equal(first?.["duration"], 800);
  assert.ok(Math.abs(Number(first?.["startTime"]) - (now - 8 * 60_000)) < 1);
  const logged = await ask(find('agent.json, panel "What was logged meanwhile"'), chosen);
  assert.deepEqual(
    logged.data.map((row) => row["body"]),
    ["Request received"],
  );
});

test("lines are found by level and by text, and lead to their traces", async () => {
  const lines = async (chosen: Record<string, string>) =>
    (await ask(find('logs.json, panel "Log"'), chosen)).data.map((row) => row["body"]);
  assert.deepEqual(await lines({ level: "'WARN'" }), ["slow answer"]);
  // As Grafana's format sqlstring writes a quote.
  assert.deepEqual(await lines({ search: "'IS ''gone'''" }), [`Query failed: ${sample.message}`]);
  assert.equal((await lines({})).length, 4);
  const { data } = await ask(find('logs.json, panel "Warnings and errors with their traces"'));
  assert.deepEqual(
    data.map((row) => [row["request"], row["duration"], row["trace"]]),
    [["GET /v1/agents/{agent_id}", 40, sample.failed]],
  );
});

test("a deploy is marked from its begin to its end", async () => {
  const [deploy] = (await ask(find('server.json, annotation "Deploys"'))).data;
  const seconds = (text: unknown) =>
    Date.parse(`${String(text).replace(" ", "T").slice(0, 23)}Z`) / 1000;
  assert.equal(deploy?.["title"], "deploy dev: done");
  assert.equal(deploy?.["text"], "release 000006 → 000007, 30 s");
  assert.equal(Math.round(seconds(deploy?.["timeEnd"]) - seconds(deploy?.["time"])), 30);
});

test("the collector's dashboard counts what was sent and lost, by the old names and the new", async () => {
  const sums = async (place: string, by: string, value: string, factor = 1) => {
    const sum: Record<string, number> = {};
    for (const row of (await ask(find(place))).data) {
      const key = String(row[by]);
      sum[key] = Math.round((sum[key] ?? 0) + Number(row[value]) * factor);
    }
    return sum;
  };
  const delivered = 'collector.json, panel "Delivered"';
  assert.deepEqual(await sums(delivered, "delivered", "rate", whole.interval), {
    // 5.5 minutes before the restart, 6 since, and 12 of the other collector
    "clickhouse: spans": 600 * (5.5 + 6 + 12),
  });
  assert.deepEqual(await sums('collector.json, panel "Refused and lost"', "what", "lost"), {
    "clickhouse: enqueue_failed_spans": 5,
    "otlp: refused_spans": 7,
  });
});

/** Whether the threshold of a rule is passed, for each row of its query by its labels. */
async function firing(title: string): Promise<Record<string, boolean>> {
  const rule = alertRules.find((one) => one.title === title)!;
  const { type, params } = rule.data[1]!.model.conditions![0]!.evaluator;
  const { meta, data } = await ask(find(`alert "${title}"`));
  const value = meta.find((column) => isNumber(column.type))!.name;
  return Object.fromEntries(
    data.map((row) => {
      const labels = meta.filter(({ name }) => name !== value).map(({ name }) => row[name]);
      const passed =
        type === "gt" ? Number(row[value]) > params[0]! : Number(row[value]) < params[0]!;
      return [labels.filter(Boolean).join(" "), passed];
    }),
  );
}

const alerts: readonly [title: string, Record<string, boolean>][] = [
  [
    "Collector queue above 60 %",
    { "dev collector clickhouse": true, "dev collector-2 clickhouse traces": false },
  ],
  [
    "Collector loses telemetry",
    {
      "dev collector clickhouse otelcol_exporter_enqueue_failed_spans": true,
      "dev collector-2 clickhouse otelcol_exporter_enqueue_failed_spans": false,
    },
  ],
  [
    "Collector refuses telemetry",
    {
      "dev collector otlp otelcol_receiver_refused_spans": true,
      "dev collector-2 otlp otelcol_receiver_refused_spans": false,
    },
  ],
  ["Collector memory above 80 %", { "dev collector": true, "dev collector-2": false }],
  ["Collector restarted", { "dev collector": true, "dev collector-2": false }],
  ["No data from the collector", { "": false }],
];

for (const [title, expected] of alerts) {
  test(`the alert "${title}" fires for the collector it is about and for no other`, async () => {
    assert.deepEqual(await firing(title), expected);
  });
}

test("every alert was tried", () => {
  assert.deepEqual(
    alertRules.map(({ title }) => title),
    alerts.map(([title]) => title),
  );
});

/** What the tables of exporter 0.161 have otherwise, as far as a query could notice. */
const newer: Readonly<Record<string, string>> = {
  otel_traces: `toUInt64(Duration) AS Duration,
    if(SpanKind = 'SPAN_KIND_SERVER', 'Server', 'Internal') AS SpanKind,
    if(StatusCode = 'STATUS_CODE_ERROR', 'Error', 'Ok') AS StatusCode`,
  otel_logs: "Body AS Body",
  otel_metrics_gauge: "toDateTime(TimeUnix) AS TimeUnix",
  otel_metrics_sum: "toDateTime(TimeUnix) AS TimeUnix",
  otel_metrics_histogram: "toDateTime(TimeUnix) AS TimeUnix",
};

test("every query answers the same in tables as the newest exporter makes them", async () => {
  await retained.ask("CREATE DATABASE newest");
  for (const [table, columns] of Object.entries(newer)) {
    await retained.ask(
      `CREATE TABLE newest.${table} ENGINE = MergeTree ORDER BY tuple()
       AS SELECT * REPLACE (${columns}) FROM otel.${table}`,
    );
  }
  for (const query of queries) {
    const [old, young] = [await ask(query), await ask(query, {}, "newest")];
    assert.equal(young.data.length, old.data.length, query.place);
  }
});

test("the alert on silence fires where nothing has arrived, and no other does", async () => {
  await retained.ask("TRUNCATE TABLE otel_metrics_gauge", "otel");
  await retained.ask("TRUNCATE TABLE otel_metrics_sum", "otel");
  for (const [title] of alerts) {
    const silent = title === "No data from the collector";
    assert.deepEqual(await firing(title), silent ? { "": true } : {}, title);
  }
});
