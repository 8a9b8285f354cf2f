import assert from "node:assert/strict";
import { test } from "node:test";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import {
  requestFigures,
  requestSource,
  type RequestSource,
} from "../../scripts/deploy/requestFigures.ts";

interface Sent {
  readonly at?: number;
  readonly took?: number;
  readonly name?: string;
  readonly kind?: number;
  readonly parent?: string;
  readonly service?: string;
  readonly error?: boolean;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** A line of the collector's file, as its file exporter writes one. */
function line(...spans: readonly Sent[]): string {
  const attribute = ([key, value]: readonly [string, string | number]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(value) },
  });
  return JSON.stringify({
    resourceSpans: spans.map((one) => ({
      resource: { attributes: [attribute(["service.name", one.service ?? "letta-server"])] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: "0a",
              spanId: "0b",
              parentSpanId: one.parent ?? "",
              name: one.name ?? "GET /v1/blocks/",
              kind: one.kind ?? 2,
              startTimeUnixNano: `${one.at ?? 1000}000000`,
              endTimeUnixNano: `${(one.at ?? 1000) + (one.took ?? 10)}000000`,
              attributes: Object.entries(one.attributes ?? {}).map(attribute),
              status: one.error ? { code: 2 } : {},
            },
          ],
        },
      ],
    })),
  });
}

/** The figures of 1 s to 2 s that these files tell, one of each collector. */
async function figures(...files: readonly string[]) {
  const containers = files.map((_, index) => ({
    service: index === 0 ? "collector" : `collector-${index + 1}`,
    id: String(index),
  }));
  const engine = {
    containers: async () => [...containers, { service: "server", id: "server" }],
    exec: async (id: string) => ({ code: 0, stdout: files[Number(id)], stderr: "" }),
  } as unknown as Engine;
  const source = {
    project: "letta-prod",
    collectors: containers.map(({ service }) => ({ service })),
    delivery: { files: { traces: "/var/lib/otelcol/traces.json" } },
    clickHouse: undefined,
    server: { versionPath: "/v1/health/" },
  } as unknown as RequestSource;
  const [reported] = await requestFigures([{ fromMs: 1000, toMs: 2000 }], source, "device", engine);
  const { requests, errors, p95Ms } = reported!;
  return [requests, errors, p95Ms];
}

test("requests are counted over the files of all collectors, half-written lines left out", async () => {
  const one = `d":1}]}\n${line({}, { took: 30 })}\n{"resourceSp`;
  assert.deepEqual(await figures(one, line({ took: 20 })), [3, 0, 30]);
  assert.deepEqual(await figures(""), [0, 0, null]);
});

test("a request counts where it began and ended", async () => {
  const inside = line({ at: 1000 }, { at: 1990 });
  assert.equal((await figures(inside))[0], 2);
  const outside = line({ at: 999 }, { at: 1995 }, { at: 2000 }, { at: 900, took: 5000 });
  assert.equal((await figures(outside))[0], 0);
});

test("health probes, the tool's own requests and what is below a request are left out", async () => {
  const others: Sent[] = [
    { name: "GET /v1/health/" },
    { name: "HEAD /v1/health", error: true },
    { attributes: { "http.user_agent": "letta-stack-canary/00" } },
    { attributes: { client: "letta-stack-check/00" } },
    { service: "letta-stack-canary" },
    { service: "letta-stack" },
    { parent: "0c" },
    { kind: 1 },
    { kind: 3 },
  ];
  for (const one of others) assert.deepEqual(await figures(line(one)), [0, 0, null]);
  const near: Sent[] = [
    { name: "GET /v1/health/agents" },
    { name: "POST /v1/health/" },
    { attributes: { client: "curl/8 letta-stack-check/00" } },
    { service: "letta-server" },
  ];
  for (const one of near) assert.equal((await figures(line(one)))[0], 1);
});

test("a failure is a span that says so or an answer from 500 on", async () => {
  const spans: Sent[] = [
    { error: true },
    { attributes: { "http.status_code": 500 } },
    { attributes: { "http.response.status_code": 503 } },
    { attributes: { "http.status_code": 404 } },
    { attributes: { "http.status_code": 200 } },
    {},
  ];
  assert.deepEqual(await figures(line(...spans)), [6, 3, 10]);
});

test("of a hundred requests 95 took no longer than the p95 says", async () => {
  const spans = Array.from({ length: 100 }, (_, index) => ({ took: 100 - index }));
  assert.equal((await figures(line(...spans)))[2], 96);
});

test("ClickHouse is asked before files, and what no one can ask is no source", () => {
  const configuration = (...exporters: string[]) =>
    readDelivery(`exporters: { clickhouse: {}, file/traces: { path: /traces.json }, otlp/signoz: {} }
service: { pipelines: { traces: { receivers: [otlp], exporters: [${exporters.join(", ")}] } } }`);
  assert.equal(
    requestSource(configuration("file/traces", "clickhouse")),
    "otel_traces in ClickHouse",
  );
  assert.equal(requestSource(configuration("file/traces", "otlp/signoz")), "/traces.json");
  assert.equal(requestSource(configuration("otlp/signoz")), undefined);
});
