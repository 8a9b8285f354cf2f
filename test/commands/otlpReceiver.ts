import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import protobuf from "protobufjs";

/** As much of opentelemetry/proto as our spans take. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
    string name = 5; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; repeated Event events = 11; Status status = 15;
  }
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5; } }
  message ArrayValue { repeated AnyValue values = 1; }
`);
const request = root.lookupType("Request");

type Values = Readonly<Record<string, unknown>>;
interface RawAttribute {
  readonly key: string;
  readonly value: Values;
}
interface RawSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly RawAttribute[];
  readonly events?: readonly { readonly name: string; readonly attributes?: RawAttribute[] }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

/** A span as it arrived. */
export interface ReceivedSpan {
  readonly name: string;
  readonly trace: string;
  readonly id: string;
  /** "" for a span without one. */
  readonly parent: string;
  readonly state: string;
  readonly attributes: Values;
  readonly events: readonly { readonly name: string; readonly attributes: Values }[];
  /** 2 is an error. */
  readonly status: number;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly begun: number;
  readonly ended: number;
  readonly resource: Values;
}

/** What came to a receiver. */
export interface Received {
  readonly spans: ReceivedSpan[];
  readonly bodies: Buffer[];
  readonly paths: string[];
  readonly headers: IncomingHttpHeaders[];
  /** Such as http://127.0.0.1:41234. */
  readonly endpoint: string;
}

/**
 * An OTLP/HTTP receiver that lasts as long as the test.
 * @param answer how it answers; 200 where it is left out
 */
export async function otlpReceiver(t: TestContext, answer?: RequestListener): Promise<Received> {
  const spans: ReceivedSpan[] = [];
  const bodies: Buffer[] = [];
  const paths: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const server = createServer((asked, answered) => {
    const chunks: Buffer[] = [];
    asked.on("data", (chunk: Buffer) => chunks.push(chunk));
    asked.on("end", () => {
      const body = Buffer.concat(chunks);
      bodies.push(body);
      paths.push(asked.url ?? "");
      headers.push(asked.headers);
      spans.push(...decode(body));
      if (answer) answer(asked, answered);
      else answered.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { spans, bodies, paths, headers, endpoint: `http://127.0.0.1:${port}` };
}

function decode(body: Buffer): ReceivedSpan[] {
  const { resourceSpans = [] } = request.toObject(request.decode(body), {
    longs: String,
    bytes: String,
  }) as {
    resourceSpans?: readonly {
      readonly resource: { readonly attributes: readonly RawAttribute[] };
      readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
    }[];
  };
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((one) =>
      one.spans.map((span) => reported(span, valuesOf(resource.attributes))),
    ),
  );
}

function reported(span: RawSpan, resource: Values): ReceivedSpan {
  const hex = (text = "") => Buffer.from(text, "base64").toString("hex");
  const milliseconds = (nano: string) => Number(BigInt(nano) / 1000n) / 1000;
  return {
    name: span.name,
    trace: hex(span.traceId),
    id: hex(span.spanId),
    parent: hex(span.parentSpanId),
    state: span.traceState ?? "",
    attributes: valuesOf(span.attributes),
    events: (span.events ?? []).map((one) => ({
      name: one.name,
      attributes: valuesOf(one.attributes),
    })),
    status: span.status?.code ?? 0,
    message: span.status?.message ?? "",
    begun: milliseconds(span.startTimeUnixNano),
    ended: milliseconds(span.endTimeUnixNano),
    resource,
  };
}

function valuesOf(attributes: readonly RawAttribute[] = []): Values {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const { intValue } = value;
      return [key, intValue === undefined ? Object.values(value)[0] : Number(intValue)];
    }),
  );
}
