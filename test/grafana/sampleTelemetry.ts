/** Facts of the sample that tests look for. */
export const sample = {
  environment: "dev",
  agent: "agent-6f2f8a53-5d0b-4c55-a1c4-0d2f6a1b9c01",
  device: "f00dfacef00dface",
  /** An agent's answer that went well. */
  answered: "a1".repeat(16),
  /** A request that ended in an exception. */
  failed: "b2".repeat(16),
  /** A request for what is not there. */
  refused: "c3".repeat(16),
  deploy: "d4".repeat(16),
  /** What an exception says. */
  message: "database is 'gone'",
} as const;

type Attributes = Readonly<Record<string, string | number>>;

const nanos = (ms: number) => `${Math.round(ms)}000000`;

const attributes = (pairs: Attributes) =>
  Object.entries(pairs).map(([key, value]) => ({
    key,
    value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value },
  }));

/** What is particular to a span; without `inside` it is one that a server answered. */
interface More {
  readonly inside?: true;
  readonly failed?: true;
  readonly below?: string;
  readonly exception?: string;
}

let spans = 0;
function span(trace: string, name: string, at: number, ms: number, pairs: Attributes, more: More) {
  const spanId = (++spans).toString(16).padStart(16, "0");
  const said = { "exception.type": "OperationalError", "exception.message": more.exception ?? "" };
  const event = { name: "exception", timeUnixNano: nanos(at + ms), attributes: attributes(said) };
  return {
    traceId: trace,
    spanId,
    ...(more.below === undefined ? {} : { parentSpanId: more.below }),
    name,
    kind: more.inside ? 1 : 2,
    startTimeUnixNano: nanos(at),
    endTimeUnixNano: nanos(at + ms),
    attributes: attributes(pairs),
    status: { code: more.failed ? 2 : 1 },
    events: more.exception === undefined ? [] : [event],
  };
}

/**
 * Spans as Letta 0.16.8 names and marks them, and the span of a deploy of this tool's own.
 * @param now milliseconds since 1970
 */
export function sampleTraces(now: number) {
  const at = (minutes: number) => now - minutes * 60_000;
  const ofAgent = { "http.agent_id": sample.agent };
  const messages = "POST /v1/agents/{agent_id}/messages";
  const agents = "GET /v1/agents/{agent_id}";
  const good = { "http.status_code": 200 };
  const absent = { "http.status_code": 404, "http.agent_id": "agent-other" };
  const root = span(sample.answered, messages, at(8), 800, { ...good, ...ofAgent }, {});
  const step = { "parameter.agent_id": sample.agent };
  const below = { inside: true, below: root.spanId } as const;
  const exception = { failed: true, exception: sample.message } as const;
  const canary = { ...good, client: "letta-stack-canary/1" };
  const server = [
    root,
    span(sample.answered, "LettaAgentV3.step", at(8) + 10, 700, step, below),
    span(sample.failed, agents, at(6), 40, ofAgent, exception),
    span(sample.refused, agents, at(5), 20, absent, { failed: true }),
    span("e5".repeat(16), "GET /v1/health/", at(4), 9000, good, {}),
    span("f6".repeat(16), "GET /v1/agents/", at(4), 9000, canary, {}),
  ];
  const facts = { command: "deploy", environment: "dev", outcome: "done", from: "000006" };
  const named = Object.entries({ ...facts, release: "000007" }).map(
    ([key, value]) => [`letta_stack.${key}`, value] as const,
  );
  const deploy = span(sample.deploy, "deploy", at(9), 30_000, Object.fromEntries(named), {
    inside: true,
  });
  const of = (service: string, list: readonly object[], more: Attributes = {}) => ({
    resource: { attributes: attributes({ "service.name": service, ...more }) },
    scopeSpans: [{ scope: { name: service }, spans: list }],
  });
  return {
    resourceSpans: [
      of("letta-server", server, { "device.id": sample.device }),
      of("letta-stack", [deploy]),
      of("letta-stack-canary", [span("0a".repeat(16), "canary", at(3), 1, {}, { inside: true })]),
    ],
  };
}

/** Log lines as the collector makes them of Letta's log file. @param now as above */
export function sampleLogs(now: number) {
  const line = (minutes: number, number: number, text: string, body: string, trace = "") => ({
    timeUnixNano: nanos(now - minutes * 60_000),
    severityNumber: number,
    severityText: text,
    body: { stringValue: body },
    ...(trace === "" ? {} : { traceId: trace, spanId: "00".repeat(7) + "01" }),
    attributes: attributes({ logger: "Letta.server" }),
  });
  const logRecords = [
    line(8, 9, "INFO", "Request received", sample.answered),
    line(6, 17, "ERROR", `Query failed: ${sample.message}`, sample.failed),
    line(5, 13, "WARN", "slow answer"),
    line(5, 0, "", "a line that is no JSON"),
  ];
  const resource = { attributes: attributes({ "service.name": "letta-server" }) };
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: {}, logRecords }] }] };
}

/**
 * Letta's own metrics, and the collector's as its Prometheus receiver turns them into OTLP:
 * gauges and cumulative sums. Of two collectors the first is in trouble: it was started anew six
 * minutes ago, its queue is at 70 %, its memory at 900 MiB, it lost 5 spans four minutes ago, of
 * which 0.96 says nothing before, and refused 7. The second has the names and the labels of a
 * newer version and is well.
 * @param now as above
 */
export function sampleMetrics(now: number) {
  const steps = Array.from({ length: 25 }, (_none, index) => 12 - index / 2); // minutes ago
  const process = (ago: number) => (ago > 6 ? 12 : 6);
  const upFor = (ago: number) => (process(ago) - ago) * 60;
  const metric = (
    name: string,
    shape: "gauge" | "sum",
    pairs: Attributes,
    value: (ago: number) => number | undefined,
  ) => {
    const dataPoints = steps.flatMap((ago) => {
      const found = value(ago);
      if (found === undefined) return [];
      const old = pairs["replica"] === "collector";
      const more: Attributes = old ? { service_instance_id: `process-${process(ago)}` } : {};
      return [
        {
          timeUnixNano: nanos(now - ago * 60_000),
          startTimeUnixNano: nanos(now - 12 * 60_000),
          asDouble: found,
          attributes: attributes({ ...pairs, ...more }),
        },
      ];
    });
    const cumulative = { aggregationTemporality: 2, isMonotonic: true, dataPoints };
    return shape === "gauge" ? { name, gauge: { dataPoints } } : { name, sum: cumulative };
  };
  const sick = { replica: "collector", exporter: "clickhouse" };
  const well = { replica: "collector-2", exporter: "clickhouse", data_type: "traces" };
  const intake = { receiver: "otlp", transport: "grpc" };
  const own = [
    metric("otelcol_process_uptime", "sum", { replica: "collector" }, upFor),
    metric("otelcol_process_memory_rss", "gauge", { replica: "collector" }, () => 900 * 2 ** 20),
    metric("otelcol_exporter_queue_size", "gauge", sick, (ago) => (ago > 7 ? 0 : 1400)),
    metric("otelcol_exporter_queue_capacity", "gauge", sick, () => 2000),
    metric("otelcol_exporter_sent_spans", "sum", sick, (ago) => 10 * upFor(ago)),
    metric("otelcol_exporter_enqueue_failed_spans", "sum", sick, (ago) =>
      ago > 4 ? undefined : 5,
    ),
    metric("otelcol_receiver_accepted_spans", "sum", { ...intake, replica: "collector" }, upFor),
    metric("otelcol_receiver_refused_spans", "sum", { ...intake, replica: "collector" }, (ago) =>
      ago > 3 ? 0 : 7,
    ),
    metric(
      "otelcol_process_uptime_total",
      "sum",
      { replica: "collector-2" },
      (ago) => (90 - ago) * 60,
    ),
    metric("otelcol_process_memory_rss", "gauge", { replica: "collector-2" }, () => 100 * 2 ** 20),
    metric("otelcol_exporter_queue_size", "gauge", well, () => 0),
    metric("otelcol_exporter_queue_capacity", "gauge", well, () => 2000),
    metric("otelcol_exporter_sent_spans_total", "sum", well, (ago) => 10 * (90 - ago) * 60),
    metric("otelcol_exporter_enqueue_failed_spans_total", "sum", well, () => 3),
    metric(
      "otelcol_receiver_refused_spans_total",
      "sum",
      { ...intake, replica: "collector-2" },
      () => 3,
    ),
  ];
  const histogram = {
    name: "hist_llm_execution_time_ms",
    unit: "ms",
    histogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          timeUnixNano: nanos(now - 8 * 60_000),
          startTimeUnixNano: nanos(now - 9 * 60_000),
          count: "2",
          sum: 1300,
          bucketCounts: ["0", "2"],
          explicitBounds: [100],
          attributes: attributes({ "model.name": "letta-free" }),
        },
      ],
    },
  };
  const of = (service: string, metrics: readonly object[]) => ({
    resource: { attributes: attributes({ "service.name": service }) },
    scopeMetrics: [{ scope: {}, metrics }],
  });
  return { resourceMetrics: [of("otelcol-contrib", own), of("letta-server", [histogram])] };
}
