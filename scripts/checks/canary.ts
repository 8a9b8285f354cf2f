import type { CollectorClient } from "./collectorClient.ts";

/** The names under which a canary of each signal is found again in a sink. */
export interface Canary {
  readonly trace: string;
  readonly metric: string;
  readonly log: string;
}

const service = { key: "service.name", value: { stringValue: "letta-stack-canary" } };
/** Sampling spares what says so; the sampler of 0.96 reads it from a whole number. */
const spared = "sampling.priority";

/** @param id sixteen hexadecimal digits, different every time */
export function canary(id: string): Canary {
  return { trace: `ca${id}ca${id}`.slice(0, 32), metric: `canary_${id}`, log: `canary log ${id}` };
}

type HttpClient = Pick<CollectorClient, "ask">;

/**
 * Sends a canary metric and log record over OTLP/HTTP.
 * @throws Error where the collector does not take one
 */
export async function sendOverHttp(
  collector: HttpClient,
  sent: Canary,
  nowMs: number,
): Promise<void> {
  const time = `${nowMs}000000`;
  const resource = { attributes: [service] };
  const point = { asInt: "1", timeUnixNano: time, startTimeUnixNano: time };
  await post(collector, "metrics", {
    resourceMetrics: [
      {
        resource,
        scopeMetrics: [{ metrics: [{ name: sent.metric, gauge: { dataPoints: [point] } }] }],
      },
    ],
  });
  const record = {
    timeUnixNano: time,
    severityNumber: 9,
    severityText: "INFO",
    body: { stringValue: sent.log },
  };
  await post(collector, "logs", {
    resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }],
  });
}

/**
 * Sends spans of one trace over OTLP/HTTP: for collectors that gRPC does not reach.
 * @param trace 32 hexadecimal digits
 * @param spans of each its 16 hexadecimal digits
 * @throws Error where the collector does not take them
 */
export async function sendSpansOverHttp(
  collector: HttpClient,
  trace: string,
  spans: readonly string[],
  nowMs: number,
): Promise<void> {
  const time = `${nowMs}000000`;
  const made = spans.map((spanId) => ({
    traceId: trace,
    spanId,
    name: "canary",
    kind: 1,
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    attributes: [{ key: spared, value: { intValue: "1" } }],
  }));
  await post(collector, "traces", {
    resourceSpans: [{ resource: { attributes: [service] }, scopeSpans: [{ spans: made }] }],
  });
}

async function post(collector: HttpClient, signal: string, message: object): Promise<void> {
  const reply = await collector.ask(4318, `/v1/${signal}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
  });
  if (reply.status !== 200)
    throw new Error(`/v1/${signal} answered ${reply.status}: ${reply.body}`);
}

/** As much of opentelemetry/proto as one span takes, in protobufjs' own notation. */
const schema = {
  nested: {
    ExportTraceServiceRequest: {
      fields: { resourceSpans: { rule: "repeated", type: "ResourceSpans", id: 1 } },
    },
    ResourceSpans: {
      fields: {
        resource: { type: "Resource", id: 1 },
        scopeSpans: { rule: "repeated", type: "ScopeSpans", id: 2 },
      },
    },
    Resource: { fields: { attributes: { rule: "repeated", type: "KeyValue", id: 1 } } },
    KeyValue: { fields: { key: { type: "string", id: 1 }, value: { type: "AnyValue", id: 2 } } },
    AnyValue: {
      oneofs: { value: { oneof: ["stringValue", "intValue"] } },
      fields: { stringValue: { type: "string", id: 1 }, intValue: { type: "int64", id: 3 } },
    },
    ScopeSpans: { fields: { spans: { rule: "repeated", type: "Span", id: 2 } } },
    Span: {
      fields: {
        traceId: { type: "bytes", id: 1 },
        spanId: { type: "bytes", id: 2 },
        name: { type: "string", id: 5 },
        kind: { type: "int32", id: 6 },
        startTimeUnixNano: { type: "fixed64", id: 7 },
        endTimeUnixNano: { type: "fixed64", id: 8 },
        attributes: { rule: "repeated", type: "KeyValue", id: 9 },
      },
    },
  },
};

/**
 * Exports a canary span over real gRPC, as the server itself does.
 * @throws Error with gRPC's status where the collector does not take it
 */
export async function sendOverGrpc(port: number, sent: Canary, nowMs: number): Promise<void> {
  const [{ Client, credentials }, { default: protobuf }] = await Promise.all([
    import("@grpc/grpc-js"),
    import("protobufjs/light.js"),
  ]);
  const message = protobuf.Root.fromJSON(schema).lookupType("ExportTraceServiceRequest");
  const time = `${nowMs}000000`;
  const span = {
    traceId: Buffer.from(sent.trace, "hex"),
    spanId: Buffer.from(sent.trace.slice(0, 16), "hex"),
    name: "canary",
    kind: 1,
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    attributes: [{ key: spared, value: { intValue: 1 } }],
  };
  const whole = message.fromObject({
    resourceSpans: [{ resource: { attributes: [service] }, scopeSpans: [{ spans: [span] }] }],
  });
  const bytes = message.encode(whole).finish();
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        (request: Uint8Array) => Buffer.from(request),
        (reply) => reply,
        bytes,
        { deadline: Date.now() + 5000 },
        (error) => (error ? reject(error) : resolve()),
      );
    });
  } finally {
    client.close();
  }
}
