import { Problem } from "../common/problem.ts";
import type { Engine } from "../docker/engine.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { askClickHouse, type ClickHouseReader } from "./askClickHouse.ts";

/** A span as it was stored. */
export interface Span {
  readonly trace: string;
  readonly span: string;
  readonly parent: string;
  readonly service: string;
  readonly name: string;
  /** When it began, in milliseconds since 1970. */
  readonly startMs: number;
  readonly milliseconds: number;
  readonly isError: boolean;
}

/** A log record that says which trace it belongs to. */
export interface TraceLog {
  readonly timeMs: number;
  readonly severity: string;
  readonly body: string;
}

export interface TracesInput {
  /** One trace, whole; otherwise the newest ones. */
  readonly trace: string | undefined;
  /** Only traces that this agent's id is part of. */
  readonly agent: string | undefined;
  readonly limit: number;
}

export interface Traces {
  /** Where they were read. */
  readonly source: string;
  /** Every span of the one trace, or the first span of each of the newest, newest first. */
  readonly spans: readonly Span[];
  readonly logs: readonly TraceLog[];
}

/**
 * The stored traces, from ClickHouse where they go there, else from the collector's file.
 * @throws Problem USAGE, NOTHING_RUNS, TELEMETRY_UNREADABLE
 */
export async function gatherTraces(
  settings: Settings,
  input: TracesInput,
  context: Context,
): Promise<Traces> {
  if (!Number.isInteger(input.limit) || input.limit < 1) {
    throw new Problem("USAGE", "--limit: expected a whole number above 0");
  }
  if (input.trace !== undefined && !/^[0-9a-f]{32}$/.test(input.trace)) {
    throw new Problem("USAGE", `expected a trace id of 32 hexadecimal digits, got ${input.trace}`);
  }
  if (settings.has("CLICKHOUSE_ENDPOINT")) return fromClickHouse(settings, input);
  const found = await context.engine.containers(settings.project);
  const collector = found.find((one) => one.service === "collector" && one.state === "running");
  if (collector === undefined) {
    throw new Problem("NOTHING_RUNS", `no collector of ${settings.environment} runs`, {
      next: bringUpCommand(settings.environment),
    });
  }
  if (settings.has("SIGNOZ_ENDPOINT") && settings.environment !== "dev") {
    throw new Problem("TELEMETRY_UNREADABLE", "traces go to SigNoz, which shows them itself", {
      next: `npm run verify -- ${settings.environment}`,
    });
  }
  const spans = await fileSpans(collector.id, input, context.engine);
  return { source: "/var/lib/otelcol/traces.json", spans, logs: [] };
}

/** ClickHouse as this machine reaches it: a bundled one at its loopback port. */
function readerOf(settings: Settings): ClickHouseReader {
  const bundled = settings.get("CLICKHOUSE_MODE") === "bundled";
  return {
    url: bundled
      ? `http://127.0.0.1:${settings.get("CLICKHOUSE_PUBLISH_PORT")}`
      : new URL(settings.get("CLICKHOUSE_ENDPOINT")).origin,
    user: settings.get("CLICKHOUSE_READER_USERNAME"),
    password: settings.get("CLICKHOUSE_READER_PASSWORD"),
    caCertificate: undefined,
    connect: undefined,
  };
}

const columns = `TraceId AS trace, SpanId AS span, ParentSpanId AS parent, ServiceName AS service,
  SpanName AS name, toUnixTimestamp64Milli(toDateTime64(Timestamp, 3)) AS startMs,
  toFloat64(Duration) / 1e6 AS milliseconds, StatusCode IN ('STATUS_CODE_ERROR', 'Error') AS isError`;

async function fromClickHouse(settings: Settings, input: TracesInput): Promise<Traces> {
  const database = settings.get("CLICKHOUSE_DATABASE");
  const reader = readerOf(settings);
  const ask = async (query: string) => {
    const answer = await askClickHouse(reader, database, `${query} FORMAT JSONEachRow`, {
      trace: input.trace ?? "",
      agent: input.agent ?? "",
      limit: String(input.limit),
    }).catch((error: Error) => ({ fault: 1, text: error.message }));
    // No such table or database: nothing has been written yet.
    if ([60, 81].includes(answer.fault)) return [];
    if (answer.fault === 0) return rows(answer.text);
    throw new Problem("TELEMETRY_UNREADABLE", `ClickHouse at ${reader.url} did not answer`, {
      details: [answer.text.split("\n")[0]!.slice(0, 300)],
      next: `npm run doctor -- ${settings.environment}`,
    });
  };
  const [spans, logs] =
    input.trace === undefined
      ? [await ask(newest(input)), []]
      : await Promise.all([
          ask(
            `SELECT ${columns} FROM otel_traces WHERE TraceId = {trace:String} ORDER BY Timestamp`,
          ),
          ask(`SELECT toUnixTimestamp64Milli(toDateTime64(Timestamp, 3)) AS timeMs,
            SeverityText AS severity, Body AS body
            FROM otel_logs WHERE TraceId = {trace:String} ORDER BY Timestamp LIMIT 1000`),
        ]);
  return {
    source: `ClickHouse at ${reader.url}`,
    spans: spans.map((row) => ({ ...(row as unknown as Span), ...numbers(row) })),
    logs: logs.map((row) => ({ ...(row as unknown as TraceLog), timeMs: Number(row["timeMs"]) })),
  };
}

/** Health checks and canaries are not users' requests. */
function newest({ agent }: TracesInput): string {
  const whose =
    agent === undefined
      ? "ServiceName != 'letta-stack-canary'"
      : "TraceId IN (SELECT TraceId FROM otel_traces WHERE has(mapValues(SpanAttributes), {agent:String}) OR SpanName LIKE concat('%', {agent:String}, '%'))";
  return `SELECT ${columns} FROM otel_traces WHERE ParentSpanId = '' AND ${whose}
    ORDER BY Timestamp DESC LIMIT {limit:UInt32}`;
}

/** ClickHouse quotes its 64 bit numbers, and has 0 and 1 for truth. */
function numbers(row: Readonly<Record<string, unknown>>) {
  return {
    startMs: Number(row["startMs"]),
    milliseconds: Number(row["milliseconds"]),
    isError: Number(row["isError"]) === 1,
  };
}

function rows(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Spans out of the collector's own file of traces. */
async function fileSpans(container: string, input: TracesInput, engine: Engine): Promise<Span[]> {
  const spans = await readSpanFile(container, engine);
  if (input.trace !== undefined) {
    return spans
      .filter((one) => one.trace === input.trace)
      .sort((a, b) => a.startMs - b.startMs)
      .map(spanOf);
  }
  const requested = new Set(
    spans
      .filter((one) => input.agent === undefined || wordsOf(one).includes(input.agent))
      .map((one) => one.trace),
  );
  return spans
    .filter(
      (one) =>
        one.parent === "" && one.service !== "letta-stack-canary" && requested.has(one.trace),
    )
    .sort((a, b) => b.startMs - a.startMs)
    .slice(0, input.limit)
    .map(spanOf);
}

function wordsOf({ name, attributes }: FileSpan): string {
  return `${name} ${[...attributes.values()].join(" ")}`;
}

/** What is shown of it: whatever else it carries stays where it is stored. */
function spanOf({ kind: _kind, attributes: _attributes, ...span }: FileSpan): Span {
  return span;
}

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
