import type { Engine } from "../docker/engine.ts";
import type { Span, TracesInput } from "./gatherTraces.ts";
import { readSpanFile, type FileSpan } from "./readSpanFile.ts";

/** Spans out of the collector's own file of traces. */
export async function fileSpans(
  container: string,
  input: TracesInput,
  engine: Engine,
): Promise<Span[]> {
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
