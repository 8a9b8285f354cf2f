/** Why an exporter does not deliver. The list is closed: doctor and the verification explain each. */
type TroubleCause = keyof typeof meanings;

/** What each cause means, for a person. */
const meanings = {
  "wrong key": "the sink does not know the key or the password",
  "missing port": "the endpoint names no port",
  unreachable: "nothing answers at the endpoint",
  TLS: "one of the two speaks TLS and the other does not, or the certificate is not trusted",
  timeout: "the sink takes the connection and does not answer in time",
  throttled: "the sink asks to be sent less",
  refused: "the sink answers, and does not take this data",
  "server error": "the sink has a fault of its own",
  "sink full": "the sink's disk is full: what comes waits until it has space",
  "queue disk full": "the disk with the exporter's queue is full: what comes now is lost",
  "queue full": "the exporter's queue is full: what comes now is lost",
  other: "the collector's own words are all there is",
} as const;

export interface ExporterTrouble {
  /** As the configuration names it, such as clickhouse or otlp/signoz; "" where no line does. */
  readonly exporter: string;
  /** traces, metrics, logs: those that the lines name. */
  readonly signals: readonly string[];
  readonly cause: TroubleCause;
  readonly meaning: string;
  /** The error in the collector's own words, as it was printed last. */
  readonly said: string;
  /** When it was printed last, in the log's own notation; "" where the line has no time. */
  readonly at: string;
  readonly times: number;
  /** Whether the collector says that it has dropped data for it, rather than stored it to retry. */
  readonly losesData: boolean;
}

/**
 * What an error's text tells, first match first: a refused connection inside an expired deadline
 * is no answer, and only then late. From the sources of grpc-go 1.62, clickhouse-go 2 and
 * Datadog's trace writer, and from the lines of 0.96.0 in test/real/backends.test.ts.
 */
const causes: readonly (readonly [TroubleCause, RegExp])[] = [
  ["queue full", /queue is full/i],
  ["sink full", /NOT_ENOUGH_SPACE|DB::Exception.*no space left on device/is],
  ["queue disk full", /no space left on device/i],
  ["missing port", /missing port|port not specified/i],
  [
    "TLS",
    /x509:|\btls:|certificate|handshake|HTTPS (client|server)|server preface|frame too large|malformed HTTP/i,
  ],
  [
    "unreachable",
    /connection refused|no such host|no route to host|network is unreachable|misbehaving|zero addresses|no children to pick|dial tcp.*i\/o timeout|reset by peer|broken pipe|\bEOF\b|closing transport|connection error|bad connection/i,
  ],
  ["refused", /ACCESS_DENIED|larger than max|too large/i],
  [
    "wrong key",
    /Unauthenticated|PermissionDenied|AUTHENTICATION_FAILED|(REQUIRED|WRONG)_PASSWORD|API key validation failed|Forbidden|Unauthorized|(code:?|status|\[HTTP) 40[13]\b/i,
  ],
  ["throttled", /ResourceExhausted|Throttle|Too Many Requests|TOO_MANY_|(code:?|status) 429\b/i],
  [
    "timeout",
    /deadline ?exceeded|timed? ?out|Client\.Timeout|Request Timeout|(code:?|status) 408\b/i,
  ],
  [
    "refused",
    /InvalidArgument|Unimplemented|NotFound|FailedPrecondition|Partial success|Bad Request|404 Not Found|UNKNOWN_(DATABASE|TABLE)|NO_SUCH_COLUMN|(code:?|status) 4\d\d\b/i,
  ],
  [
    "server error",
    /Unavailable|Internal|DataLoss|Aborted|Unknown|DB::Exception|Bad Gateway|Gateway Timeout|(code:?|status|with "?) ?5\d\d\b/i,
  ],
];

// A queue on a full disk loses what comes in 0.96.0, and only the log says so: neither `enqueue_failed` nor
// `send_failed` counts it.
const losses =
  /dispatching back|Dropping|Rejecting data|payload dropped|rejected by edge|Partial success|Sender failed/i;

/** What tells of deliveries. Exporters say more: Datadog's looks for programs the image lacks. */
const delivers =
  /export|send|sent|submit|post|partial success|validat|start pipelines|payload|metadata report|dispatching back/i;

/** Datadog's trace writer borrows the logger of whichever signal was made last: these are spans. */
const traceWriter = /^(?:Dropping|Retried) payload|^Sender queue full|^(?:Trace|Stats) writer/i;

/**
 * Why exporters do not deliver, from the collector's own log lines: 0.96.0's and newer ones',
 * as text or JSON, with Compose's prefix or without. At log level `error` 0.96 tells of no retry,
 * so its silence is no evidence there.
 * @returns one entry for each exporter and cause, in the order in which they came up
 */
export function explainExporter(lines: readonly string[]): ExporterTrouble[] {
  const found = new Map<string, ExporterTrouble>();
  for (const line of whole(lines)) {
    const read = readCollectorLine(line);
    if (read === undefined || !delivers.test(read.message)) continue;
    const said = errorOf(read);
    if (said === undefined) continue;
    const signal = traceWriter.test(read.message) ? "traces" : read.signal;
    const cause = causes.find(([, words]) => words.test(said))?.[0] ?? "other";
    const key = `${read.exporter} ${cause}`;
    const before = found.get(key);
    found.set(key, {
      exporter: read.exporter,
      signals: [...new Set([...(before?.signals ?? []), signal])].filter(Boolean),
      cause,
      meaning: meanings[cause],
      said,
      at: read.at,
      times: (before?.times ?? 0) + 1,
      losesData: (before?.losesData ?? false) || losses.test(read.message),
    });
  }
  return [...found.values()];
}

/** Datadog's trace writer ends some of its messages with a line break, before their fields. */
function whole(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (const line of lines) {
    const rest = /^(?:[^\t|]*\| )?(\t\{.*)/.exec(line)?.[1];
    if (rest === undefined || joined.length === 0) joined.push(line);
    else joined[joined.length - 1] += rest;
  }
  return joined;
}

/** The error a line tells of: most have a field for it, some say it in their message. */
function errorOf({ message, fields }: CollectorLine): string | undefined {
  const error = fields["error"];
  if (typeof error === "string" && error !== "") return error;
  if (/Partial success/i.test(message)) return `${message} ${String(fields["message"] ?? "")}`;
  if (/API key validation failed/i.test(message)) return message;
  // At its start a queue lays back what was on its way when it ended, which needs space.
  if (/dispatching back/i.test(message)) {
    return `${message}: ${String(fields["errorCount"])} of ${String(fields["numberOfItems"])}`;
  }
  return /(?:due to:?|times:|by edge:|cannot start pipelines:) ?(.+)/i.exec(message)?.[1]?.trim();
}

/** A line of the collector's own log that is about an exporter. */
interface CollectorLine {
  /** In the log's own notation; "" where the line has none. */
  readonly at: string;
  readonly message: string;
  readonly exporter: string;
  readonly signal: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const level = /^(debug|info|warn|error|dpanic|panic|fatal)$/i;

/**
 * Takes a line of the collector's log apart: tabs between time, level, place, message and a
 * JSON object of fields, or all of it one JSON object. How a component is named in the fields
 * changed between 0.96 (`kind`, `name`, `data_type`) and newer versions (`otelcol.…`).
 * @returns undefined for a line that is not about an exporter
 */
function readCollectorLine(line: string): CollectorLine | undefined {
  const failed = /cannot start pipelines: .+/.exec(line);
  if (failed !== null) {
    const exporter = /failed to start "([^"]+)" exporter/.exec(line)?.[1] ?? "";
    return { at: "", message: failed[0], exporter, signal: "", fields: {} };
  }
  const start = line.indexOf("{");
  const before = line.slice(0, Math.max(start, 0)).split("\t");
  const fields = start < 0 ? undefined : parsed(line.slice(start));
  if (fields === undefined) return undefined;
  const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : "");
  const kind = text("otelcol.component.kind") || text("kind");
  if (kind.toLowerCase() !== "exporter") return undefined;
  const place = before.findIndex((part) => level.test(part));
  const messages = before.slice(place + 2).filter(Boolean);
  return {
    at: place > 0 ? (before[place - 1]!.split(/[\s|]+/).at(-1) ?? "") : String(fields["ts"] ?? ""),
    message: messages.join(" ").trim() || text("msg"),
    exporter: text("otelcol.component.id") || text("name"),
    signal: text("otelcol.signal") || text("data_type"),
    fields,
  };
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
