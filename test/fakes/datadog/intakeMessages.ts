import protobuf from "protobufjs/light.js";
import { readMsgpack } from "./readMsgpack.ts";

const list = (type: string, id: number) => ({ rule: "repeated", type, id });

/** As much of Datadog's agent-payload and trace protocols as is counted. */
const root = protobuf.Root.fromJSON({
  nested: {
    AgentPayload: { fields: { tracerPayloads: list("TracerPayload", 5) } },
    TracerPayload: { fields: { chunks: list("TraceChunk", 6) } },
    TraceChunk: { fields: { spans: list("Span", 3) } },
    Span: {
      fields: { resource: { type: "string", id: 3 }, spanID: { type: "uint64", id: 5 } },
    },
    MetricPayload: { fields: { series: list("Series", 1) } },
    Series: { fields: { metric: { type: "string", id: 2 }, points: list("Point", 4) } },
    Point: { fields: { value: { type: "double", id: 1 } } },
    SketchPayload: { fields: { sketches: list("Sketch", 1) } },
    Sketch: {
      fields: {
        metric: { type: "string", id: 1 },
        distributions: list("Points", 3),
        dogsketches: list("Points", 7),
      },
    },
    Points: { fields: { cnt: { type: "int64", id: 2 } } },
  },
});

type Counted = [what: string, times: number];

function decoded<Message>(type: string, body: Buffer): Message {
  return root.lookupType(type).decode(body) as unknown as Message;
}

/** The spans of POST /api/v0.2/traces, by their id as OTLP has it. */
export function spansIn(body: Buffer): Counted[] {
  const payload = decoded<{
    tracerPayloads: { chunks: { spans: { spanID: { toString(): string } }[] }[] }[];
  }>("AgentPayload", body);
  return payload.tracerPayloads.flatMap(({ chunks }) =>
    chunks.flatMap(({ spans }) =>
      spans.map(({ spanID }): Counted => {
        const hexadecimal = BigInt(spanID.toString()).toString(16);
        return [hexadecimal.padStart(16, "0"), 1];
      }),
    ),
  );
}

type Series = { metric: string; points: unknown[] }[];

/** The points of POST /api/v2/series by metric: JSON from older exporters, protobuf from newer. */
export function pointsIn(body: Buffer, type: string): Counted[] {
  const { series } = type.includes("json")
    ? (JSON.parse(body.toString()) as { series: Series })
    : decoded<{ series: Series }>("MetricPayload", body);
  return series.map(({ metric, points }) => [metric, points.length]);
}

/** The distributions of POST /api/beta/sketches by metric. */
export function sketchesIn(body: Buffer): Counted[] {
  const { sketches } = decoded<{
    sketches: { metric: string; distributions: unknown[]; dogsketches: unknown[] }[];
  }>("SketchPayload", body);
  return sketches.map((one) => [one.metric, one.distributions.length + one.dogsketches.length]);
}

/** The lines of POST /api/v2/logs by their text. */
export function linesIn(body: Buffer): Counted[] {
  const lines = JSON.parse(body.toString()) as { message?: string }[];
  return Array.isArray(lines) ? lines.map(({ message = "" }): Counted => [message, 1]) : [];
}

interface Stats {
  readonly Stats?: readonly {
    readonly Stats?: readonly {
      readonly Stats?: readonly { readonly Name: string; readonly Hits: number | bigint }[];
    }[];
  }[];
}

/** How many spans POST /api/v0.2/stats tells of, by the operation's name. */
export function hitsIn(body: Buffer): Counted[] {
  const payload = readMsgpack(body) as unknown as Stats;
  const groups = (payload.Stats ?? []).flatMap((client) =>
    (client.Stats ?? []).flatMap((bucket) => bucket.Stats ?? []),
  );
  return groups.map(({ Name, Hits }) => [Name, Number(Hits)]);
}
