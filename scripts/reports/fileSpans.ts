import type { Engine } from "../engine/engine.ts";
import type { Span, TracesAsked } from "./gatherTraces.ts";
import { readSpanFile, type FileSpan } from "./readSpanFile.ts";

/** Spans out of the collector's own file of traces. */
export async function fileSpans(
  container: string,
  asked: TracesAsked,
  engine: Engine,
): Promise<Span[]> {
  const spans = await readSpanFile(container, engine);
  if (asked.trace !== undefined) {
    return spans
      .filter((one) => one.trace === asked.trace)
      .sort((a, b) => a.startMs - b.startMs)
      .map(spanOf);
  }
  const wanted = new Set(
    spans
      .filter((one) => asked.agent === undefined || wordsOf(one).includes(asked.agent))
      .map((one) => one.trace),
  );
  return spans
    .filter(
      (one) => one.parent === "" && one.service !== "letta-stack-canary" && wanted.has(one.trace),
    )
    .sort((a, b) => b.startMs - a.startMs)
    .slice(0, asked.limit)
    .map(spanOf);
}

function wordsOf({ name, attributes }: FileSpan): string {
  return `${name} ${[...attributes.values()].join(" ")}`;
}

/** What is shown of it: whatever else it carries stays where it is kept. */
function spanOf({ kind: _kind, attributes: _attributes, ...span }: FileSpan): Span {
  return span;
}
