/** A line of the collector's own log that is about an exporter. */
export interface CollectorLine {
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
export function readCollectorLine(line: string): CollectorLine | undefined {
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
