import type { Engine } from "../engine/engine.ts";
import type { Span, TracesAsked } from "./gatherTraces.ts";

/** As the file exporter writes OTLP's JSON, one batch to a line. */
interface Batch {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly Attribute[] };
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[];
  }[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly status?: { readonly code?: number };
}

/** Of a file that grows to 100 MB the newest part, in bytes. */
const tailBytes = 16 * 1024 * 1024;

/** Spans out of the collector's own file of traces. */
export async function fileSpans(
  container: string,
  asked: TracesAsked,
  engine: Engine,
): Promise<Span[]> {
  const file = "/var/lib/otelcol/traces.json";
  const argv = ["/probe/busybox", "tail", "-c", String(tailBytes), file];
  const { stdout } = await engine.exec(container, argv);
  const spans = stdout.split("\n").flatMap(spansOfLine);
  if (asked.trace !== undefined) {
    return spans.filter((one) => one.trace === asked.trace).sort((a, b) => a.startMs - b.startMs);
  }
  const wanted = new Set(
    spans
      .filter((one) => asked.agent === undefined || one.words.includes(asked.agent))
      .map((one) => one.trace),
  );
  return spans
    .filter(
      (one) => one.parent === "" && one.service !== "letta-stack-canary" && wanted.has(one.trace),
    )
    .sort((a, b) => b.startMs - a.startMs)
    .slice(0, asked.limit);
}

/** The first line is cut where the tail began, and the last while it is written. */
function spansOfLine(line: string): (Span & { words: string })[] {
  let batch: Batch;
  try {
    batch = JSON.parse(line) as Batch;
  } catch {
    return [];
  }
  return (batch.resourceSpans ?? []).flatMap((resource) => {
    const attributes = resource.resource?.attributes ?? [];
    const service = attributes.find((one) => one.key === "service.name")?.value.stringValue ?? "";
    return (resource.scopeSpans ?? [])
      .flatMap((scope) => scope.spans ?? [])
      .map((span) => ({
        trace: span.traceId,
        span: span.spanId,
        parent: span.parentSpanId ?? "",
        service,
        name: span.name,
        startMs: Number(BigInt(span.startTimeUnixNano) / 1_000_000n),
        milliseconds:
          Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1_000_000,
        isError: span.status?.code === 2,
        words: `${span.name} ${(span.attributes ?? []).map((one) => one.value.stringValue).join(" ")}`,
      }));
  });
}
