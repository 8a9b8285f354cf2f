import type { Span, Traces } from "../checks/gatherTraces.ts";
import { table } from "./table.ts";

/** The newest traces as a table, or one of them as a tree with its log lines. */
export function tracesText(found: Traces, trace: string | undefined, environment: string): string {
  const { spans, logs, source } = found;
  if (spans.length === 0) return `no such trace in ${source}\n`;
  if (trace === undefined) {
    const rows = spans.map((one) => [time(one.startMs), took(one), mark(one), one.name, one.trace]);
    return `${table([["when", "took", "", "what", "trace"], ...rows])}next: npm run traces -- ${environment} <trace>\n`;
  }
  const lines = logs.map((one) => [
    time(one.timeMs),
    one.severity,
    one.body.split("\n")[0]!.slice(0, 160),
  ]);
  return `${table(tree(spans))}${lines.length > 0 ? `logs\n${table(lines)}` : ""}`;
}

/** Each span under the one that began it; one whose parent was not retained stands at the root. */
function tree(spans: readonly Span[]): string[][] {
  const known = new Set(spans.map((one) => one.span));
  const below = (parent: string, depth: number): string[][] =>
    spans
      .filter((one) => (known.has(one.parent) ? one.parent : "") === parent)
      .flatMap((one) => [
        [`${"  ".repeat(depth)}${one.name}`, took(one), mark(one), one.service],
        ...below(one.span, depth + 1),
      ]);
  return below("", 0);
}

const mark = (span: Span) => (span.isError ? "✗" : "");
const took = ({ milliseconds }: Span) =>
  milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(2)} s` : `${milliseconds.toFixed(1)} ms`;
const time = (ms: number) => new Date(ms).toISOString().slice(0, 23).replace("T", " ");
