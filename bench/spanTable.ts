/**
 * The table that ClickHouse's exporter writes spans to, made before it starts, with the moment at
 * which a row came in alongside the exporter's own columns: it names those it writes.
 */
export function spanTable(database: string): string {
  return `CREATE TABLE ${database}.otel_traces (
    Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String,
    TraceState String, SpanName LowCardinality(String), SpanKind LowCardinality(String),
    ServiceName LowCardinality(String), ResourceAttributes Map(LowCardinality(String), String),
    ScopeName String, ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String), Duration Int64,
    StatusCode LowCardinality(String), StatusMessage String,
    Events Nested (Timestamp DateTime64(9), Name LowCardinality(String),
      Attributes Map(LowCardinality(String), String)),
    Links Nested (TraceId String, SpanId String, TraceState String,
      Attributes Map(LowCardinality(String), String)),
    Arrived DateTime64(9) DEFAULT now64(9)
  ) ENGINE MergeTree() ORDER BY (Timestamp)`;
}

/** Seconds from a span's end to its row. */
export const spanLateness =
  "(toUnixTimestamp64Nano(Arrived) - toUnixTimestamp64Nano(Timestamp) - Duration) / 1e9";
