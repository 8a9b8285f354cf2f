import protobuf from "protobufjs/light.js";

const list = (type: string, id: number) => ({ rule: "repeated", type, id });

/** The points of a metric are counted, not read, so that one message serves every kind. */
const points = { type: "Points" };

/** As much of opentelemetry/proto (collector v1) as the fakes write and read. */
const schema = {
  nested: {
    TraceRequest: { fields: { resourceSpans: list("ResourceSpans", 1) } },
    ResourceSpans: {
      fields: { resource: { type: "Resource", id: 1 }, scopeSpans: list("ScopeSpans", 2) },
    },
    ScopeSpans: { fields: { spans: list("Span", 2) } },
    Span: {
      fields: {
        traceId: { type: "bytes", id: 1 },
        spanId: { type: "bytes", id: 2 },
        name: { type: "string", id: 5 },
        kind: { type: "int32", id: 6 },
        startTimeUnixNano: { type: "fixed64", id: 7 },
        endTimeUnixNano: { type: "fixed64", id: 8 },
        attributes: list("KeyValue", 9),
      },
    },
    MetricsRequest: { fields: { resourceMetrics: list("ResourceMetrics", 1) } },
    ResourceMetrics: {
      fields: { resource: { type: "Resource", id: 1 }, scopeMetrics: list("ScopeMetrics", 2) },
    },
    ScopeMetrics: { fields: { metrics: list("Metric", 2) } },
    Metric: {
      fields: {
        name: { type: "string", id: 1 },
        gauge: { ...points, id: 5 },
        sum: { ...points, id: 7 },
        histogram: { ...points, id: 9 },
        exponentialHistogram: { ...points, id: 10 },
        summary: { ...points, id: 11 },
      },
    },
    Points: { fields: { dataPoints: list("Point", 1) } },
    Point: { fields: { timeUnixNano: { type: "fixed64", id: 3 } } },
    LogsRequest: { fields: { resourceLogs: list("ResourceLogs", 1) } },
    ResourceLogs: {
      fields: { resource: { type: "Resource", id: 1 }, scopeLogs: list("ScopeLogs", 2) },
    },
    ScopeLogs: { fields: { logRecords: list("LogRecord", 2) } },
    LogRecord: {
      fields: {
        body: { type: "AnyValue", id: 5 },
        traceId: { type: "bytes", id: 9 },
      },
    },
    Resource: { fields: { attributes: list("KeyValue", 1) } },
    KeyValue: { fields: { key: { type: "string", id: 1 }, value: { type: "AnyValue", id: 2 } } },
    AnyValue: { fields: { stringValue: { type: "string", id: 1 } } },
    Reply: { fields: { partialSuccess: { type: "PartialSuccess", id: 1 } } },
    PartialSuccess: {
      fields: { rejected: { type: "int64", id: 1 }, errorMessage: { type: "string", id: 2 } },
    },
    // google.rpc.Status with a RetryInfo in it: how a server says "not now, but later".
    Status: {
      fields: {
        code: { type: "int32", id: 1 },
        message: { type: "string", id: 2 },
        details: list("Any", 3),
      },
    },
    Any: { fields: { type_url: { type: "string", id: 1 }, value: { type: "bytes", id: 2 } } },
    RetryInfo: { fields: { retryDelay: { type: "Duration", id: 1 } } },
    Duration: { fields: { seconds: { type: "int64", id: 1 }, nanos: { type: "int32", id: 2 } } },
  },
};

const root = protobuf.Root.fromJSON(schema);

/** What a request of each signal is made of, and where it is sent. */
export const otlpMessages = {
  traces: root.lookupType("TraceRequest"),
  metrics: root.lookupType("MetricsRequest"),
  logs: root.lookupType("LogsRequest"),
  reply: root.lookupType("Reply"),
  status: root.lookupType("Status"),
  retryInfo: root.lookupType("RetryInfo"),
  paths: {
    traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
  },
} as const;

/** The bytes of a message given as a plain object, by its fields' names. */
export function encoded(type: protobuf.Type, message: object): Uint8Array {
  return type.encode(type.fromObject(message)).finish();
}
