import { passed, type CheckResult } from "./runCheck.ts";

/** From letta/otel/tracing.py of 0.16.8, `trace_method`: what it puts on a span of a method. */
const leftOut = [
  "agent_state",
  "messages",
  "in_context_messages",
  "message_sequence",
  "content",
  "tool_returns",
  "memory",
  "sources",
  "context",
  "source_code",
  "system",
  "text_chunks",
  "embeddings",
  "embedding",
  "file_bytes",
  "chunks",
];

/** What is missing on spans on purpose: by the server, and by this project's settings. */
export function checkParameters(removed: string, samplingPercent: string): CheckResult {
  const byUs = removed === "" ? "nothing" : `what matches ${removed}`;
  const sampled = Number(samplingPercent || 100);
  return passed(`cut by the server on purpose, taken out here: ${byUs}`, [
    `the server names these parameters without their content: ${leftOut.join(", ")}`,
    "it cuts a parameter after 2 MiB, and leaves out the rest of a span's after 4 MiB (parameters.truncated)",
    removed === ""
      ? "OTEL_REMOVED_ATTRIBUTES is empty: nothing is taken out here"
      : `OTEL_REMOVED_ATTRIBUTES takes attributes out by name, and http.url loses its query`,
    ...(sampled < 100 ? [`OTEL_SAMPLING_PERCENT keeps ${sampled} of a hundred traces`] : []),
  ]);
}
