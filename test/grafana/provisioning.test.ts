// What Grafana reads at its start. It ignores keys that it does not know, so that a slip of the
// pen would show as nothing at all: here each key has to be one of those that it reads, as its
// sources and those of the ClickHouse plugin have them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as v from "valibot";
import { parse } from "yaml";
import { grafanaConfiguration, grafanaFiles } from "../../scripts/stack/grafanaConfiguration.ts";
import { bundledClickHouse, lookupOf, root } from "../stack/exampleStack.ts";
import { alertRules, dashboardFiles } from "./dashboardFiles.ts";

const clickHouseOf = (changed: Record<string, string> = {}) =>
  lookupOf(new Map(Object.entries({ ...bundledClickHouse, ...changed })));

const textOf = (name: keyof typeof grafanaFiles, changed: Record<string, string> = {}) =>
  grafanaConfiguration(root, clickHouseOf(changed)).get(name)!;

const range = v.strictObject({ from: v.number(), to: v.number() });
const duration = v.pipe(v.string(), v.regex(/^\d+(s|m|h)$/));

const schemas: Readonly<Record<string, v.GenericSchema>> = {
  grafana_datasources: v.strictObject({
    apiVersion: v.literal(1),
    prune: v.boolean(),
    datasources: v.tuple([
      v.strictObject({
        name: v.string(),
        uid: v.literal("clickhouse"),
        type: v.literal("grafana-clickhouse-datasource"),
        access: v.literal("proxy"),
        isDefault: v.boolean(),
        editable: v.literal(false),
        jsonData: v.strictObject({
          protocol: v.picklist(["http", "native"]),
          host: v.string(),
          port: v.pipe(v.number(), v.integer()),
          secure: v.boolean(),
          username: v.string(),
          defaultDatabase: v.string(),
          dialTimeout: v.string(),
          queryTimeout: v.string(),
          logs: v.strictObject({
            defaultDatabase: v.string(),
            defaultTable: v.literal("otel_logs"),
            otelEnabled: v.boolean(),
          }),
          traces: v.strictObject({
            defaultDatabase: v.string(),
            defaultTable: v.literal("otel_traces"),
            otelEnabled: v.boolean(),
          }),
        }),
        secureJsonData: v.strictObject({ password: v.string() }),
      }),
    ]),
  }),
  grafana_dashboards: v.strictObject({
    apiVersion: v.literal(1),
    providers: v.tuple([
      v.strictObject({
        name: v.string(),
        folder: v.string(),
        folderUid: v.string(),
        type: v.literal("file"),
        allowUiUpdates: v.literal(false),
        disableDeletion: v.boolean(),
        updateIntervalSeconds: v.number(),
        options: v.strictObject({ path: v.string() }),
      }),
    ]),
  }),
  grafana_alerts: v.strictObject({
    apiVersion: v.literal(1),
    groups: v.array(
      v.strictObject({
        orgId: v.literal(1),
        name: v.string(),
        folder: v.string(),
        interval: duration,
        rules: v.array(
          v.strictObject({
            uid: v.pipe(v.string(), v.regex(/^[a-z-]{1,40}$/)),
            title: v.string(),
            condition: v.literal("B"),
            for: duration,
            keepFiringFor: v.optional(duration),
            noDataState: v.picklist(["Alerting", "NoData", "OK", "KeepLast"]),
            execErrState: v.picklist(["Alerting", "Error", "OK", "KeepLast"]),
            dashboardUid: v.string(),
            panelId: v.number(),
            labels: v.strictObject({
              severity: v.picklist(["warning", "critical"]),
              part: v.string(),
            }),
            annotations: v.strictObject({ summary: v.string(), description: v.string() }),
            data: v.tuple([
              v.strictObject({
                refId: v.literal("A"),
                datasourceUid: v.literal("clickhouse"),
                relativeTimeRange: range,
                model: v.strictObject({
                  refId: v.literal("A"),
                  editorType: v.literal("sql"),
                  queryType: v.literal("table"),
                  format: v.literal(1),
                  rawSql: v.string(),
                }),
              }),
              v.strictObject({
                refId: v.literal("B"),
                datasourceUid: v.literal("__expr__"),
                relativeTimeRange: range,
                model: v.strictObject({
                  refId: v.literal("B"),
                  type: v.literal("threshold"),
                  datasource: v.strictObject({
                    type: v.literal("__expr__"),
                    uid: v.literal("__expr__"),
                  }),
                  expression: v.literal("A"),
                  conditions: v.tuple([
                    v.strictObject({
                      type: v.literal("query"),
                      evaluator: v.strictObject({
                        type: v.picklist(["gt", "lt"]),
                        params: v.tuple([v.number()]),
                      }),
                    }),
                  ]),
                }),
              }),
            ]),
          }),
        ),
      }),
    ),
  }),
};

for (const [name, schema] of Object.entries(schemas)) {
  test(`${grafanaFiles[name as keyof typeof grafanaFiles]} has only keys that Grafana reads`, () => {
    const content: unknown = parse(textOf(name as keyof typeof grafanaFiles));
    const found = v.safeParse(schema, content);
    assert.deepEqual(
      found.issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`),
      undefined,
    );
  });
}

const dataSource = (changed: Record<string, string> = {}) => {
  const { datasources } = parse(textOf("grafana_datasources", changed)) as {
    datasources: [{ jsonData: Record<string, unknown>; secureJsonData: Record<string, string> }];
  };
  return datasources[0];
};

const endpoints: readonly [endpoint: string, host: string, port: number, secure: boolean][] = [
  ["http://clickhouse:8123", "clickhouse", 8123, false],
  ["https://clickhouse.example.com:8443", "clickhouse.example.com", 8443, true],
  ["https://clickhouse.example.com", "clickhouse.example.com", 443, true],
  ["http://clickhouse.example.com", "clickhouse.example.com", 80, false],
  ["http://[::1]:8123", "[::1]", 8123, false],
];

for (const [endpoint, host, port, secure] of endpoints) {
  test(`the data source of ${endpoint} is ${host}, port ${port}, ${secure ? "with" : "without"} TLS`, () => {
    const { jsonData } = dataSource({ CLICKHOUSE_ENDPOINT: endpoint });
    const { host: itsHost, port: itsPort, secure: isSecure } = jsonData;
    assert.deepEqual([itsHost, itsPort, isSecure], [host, port, secure]);
  });
}

test("Grafana reads as the user that only reads, from the database of the collector", () => {
  const { jsonData } = dataSource({
    CLICKHOUSE_READER_USERNAME: "otel_reader",
    CLICKHOUSE_DATABASE: "telemetry",
  });
  assert.equal(jsonData["username"], "otel_reader");
  assert.equal(jsonData["defaultDatabase"], "telemetry");
});

test("the password is named as Grafana expands once: without braces, and nothing of it is in the file", () => {
  // pkg/services/provisioning/values: ${NAME} and $__file{} are put in first, then the whole is
  // expanded as os.ExpandEnv does it, so that a password's own `$` would go.
  assert.equal(dataSource().secureJsonData["password"], "$GF_CLICKHOUSE_READER_PASSWORD");
  assert.doesNotMatch(textOf("grafana_datasources"), /reader-secret/);
});

test("no alert has a $ in it, which Grafana would take for a variable of its environment", () => {
  const withoutComments = textOf("grafana_alerts").replace(/^\s*#.*$/gm, "");
  assert.doesNotMatch(withoutComments, /\$/);
});

test("every alert leads to a panel that there is, of the collector's dashboard", () => {
  const panels = dashboardFiles.get("collector.json")!.panels;
  const led = alertRules.map((rule) => [
    rule.dashboardUid,
    panels.find(({ id }) => id === rule.panelId)?.title,
  ]);
  assert.deepEqual(led, [
    ["letta-collector", "Queues"],
    ["letta-collector", "Refused and lost"],
    ["letta-collector", "Refused and lost"],
    ["letta-collector", "Memory"],
    ["letta-collector", "Uptime"],
    ["letta-collector", "Last heard of"],
  ]);
});

test("only the alert on silence speaks where there are no data or no answer", () => {
  const { groups } = parse(textOf("grafana_alerts")) as {
    groups: [{ rules: { title: string; noDataState: string; execErrState: string }[] }];
  };
  const loud = groups[0].rules.filter(
    (rule) => rule.noDataState !== "OK" || rule.execErrState !== "KeepLast",
  );
  assert.deepEqual(
    loud.map((rule) => [rule.title, rule.noDataState, rule.execErrState]),
    [["No data from the collector", "Alerting", "Alerting"]],
  );
});

test("memory is judged by the limit of the memory limiter", () => {
  const base = parse(readFileSync(join(root, "otel", "base.yaml"), "utf8")) as {
    processors: { memory_limiter: { limit_mib: number } };
  };
  const limit = base.processors.memory_limiter.limit_mib;
  const texts = [textOf("grafana_alerts"), textOf("grafana_dashboard_collector")];
  for (const text of texts) {
    const named = [...text.matchAll(/(\d+) MiB|\((\d+) \* 1048576\)/g)].map(
      (one) => one[1] ?? one[2],
    );
    assert.ok(named.length > 1);
    assert.deepEqual([...new Set(named)], [String(limit)]);
  }
  const { panels } = dashboardFiles.get("collector.json")!;
  const lines = JSON.stringify(
    panels.find(({ title }) => title === "Memory")!.fieldConfig.defaults,
  );
  assert.match(lines, new RegExp(`"value":${limit * 2 ** 20},`));
});
