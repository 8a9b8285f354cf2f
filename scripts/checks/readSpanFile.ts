import type { Engine } from "../docker/engine.ts";
import type { Span } from "./gatherTraces.ts";

/** A span of the collector's file, with what tells requests from one another. */
export interface FileSpan extends Span {
  /** OTLP's number for what it stands for; 2 is a request that a server answers. */
  readonly kind: number;
  readonly attributes: ReadonlyMap<string, string>;
}

/** As the file exporter writes OTLP's JSON, one batch to a line. */
interface Batch {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly Attribute[] };
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[];
  }[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number };
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind?: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly Attribute[];
  readonly status?: { readonly code?: number };
}

/** Of a file that grows to 100 MB the newest part, in bytes. */
const tailBytes = 16 * 1024 * 1024;

/** Each span that the newest part of a collector's own file of traces holds. */
export async function readSpanFile(container: string, engine: Engine): Promise<FileSpan[]> {
  const file = "/var/lib/otelcol/traces.json";
  const argv = ["/probe/busybox", "tail", "-c", String(tailBytes), file];
  const { stdout } = await engine.exec(container, argv);
  return stdout.split("\n").flatMap(spansOfLine);
}

/** The first line is cut where the tail began, and the last while it is written. */
function spansOfLine(line: string): FileSpan[] {
  let batch: Batch;
  try {
    batch = JSON.parse(line) as Batch;
  } catch {
    return [];
  }
  return (batch.resourceSpans ?? []).flatMap((resource) => {
    const service = valuesOf(resource.resource?.attributes).get("service.name") ?? "";
    return (resource.scopeSpans ?? [])
      .flatMap((scope) => scope.spans ?? [])
      .map((span) => ({
        trace: span.traceId,
        span: span.spanId,
        parent: span.parentSpanId ?? "",
        service,
        name: span.name,
        kind: span.kind ?? 0,
        startMs: Number(BigInt(span.startTimeUnixNano) / 1_000_000n),
        milliseconds:
          Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1_000_000,
        isError: span.status?.code === 2,
        attributes: valuesOf(span.attributes),
      }));
  });
}

function valuesOf(attributes: readonly Attribute[] = []): Map<string, string> {
  return new Map(
    attributes.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue ?? "")]),
  );
}
