import assert from "node:assert/strict";

interface Value {
  readonly stringValue?: string;
}

interface Exported {
  readonly resourceLogs?: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly timeUnixNano: string;
        readonly severityText?: string;
        readonly severityNumber?: number;
        readonly traceId?: string;
        readonly spanId?: string;
        readonly body: Value;
      }[];
    }[];
  }[];
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly attributes?: readonly { readonly key: string; readonly value: Value }[];
      }[];
    }[];
  }[];
}

/** The lines of JSON that the file exporters wrote. */
function exportedIn(written: string): Exported[] {
  const lines = written.split("\n").filter((text) => text.startsWith('{"resource'));
  assert.ok(lines.length > 0, written.slice(-2000));
  return lines.map((text) => JSON.parse(text) as Exported);
}

/** The log records among them. */
export function logsOf(written: string) {
  return exportedIn(written)
    .flatMap((one) => one.resourceLogs ?? [])
    .flatMap((one) => one.scopeLogs)
    .flatMap((one) => one.logRecords)
    .map((one) => ({
      time: one.timeUnixNano,
      severity: `${one.severityText ?? ""} ${one.severityNumber ?? 0}`,
      trace: `${one.traceId ?? ""} ${one.spanId ?? ""}`,
      body: one.body.stringValue ?? "",
    }));
}

/** The spans among them. */
export function spansOf(written: string) {
  return exportedIn(written)
    .flatMap((one) => one.resourceSpans ?? [])
    .flatMap((one) => one.scopeSpans)
    .flatMap((one) => one.spans);
}
