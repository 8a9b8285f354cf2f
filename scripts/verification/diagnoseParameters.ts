import { failed, passed, type Judgement } from "./diagnose.ts";

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

/**
 * Attributes with what people wrote or what a model was sent, and where they come from: Letta
 * 0.16.8's otel/tracing.py (bodies, parameters of methods) and adapters (what goes to a model).
 */
const personal = [
  ["http.request.body.messages", "bodies of requests"],
  ["parameter.request_data", "parameters of methods, among them whole requests to a model"],
  ["parameter.input_messages", "parameters of methods, among them what people wrote"],
  ["request_data", "what is sent to a model"],
  ["response_data", "what a model answers"],
] as const;

/** What is missing on spans on purpose: by the server, and by this project's settings. */
export function diagnoseParameters(removed: string, samplingPercent: string): Judgement {
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

/**
 * Whether what people wrote leaves the machine on spans.
 * @param removed the pattern of OTEL_REMOVED_ATTRIBUTES
 */
export function diagnosePrivacy(environment: string, removed: string): Judgement {
  const kept = personal.filter(([name]) => removed === "" || !new RegExp(removed, "u").test(name));
  const local = environment === "dev" || environment === "development";
  if (kept.length === 0) return passed(`bodies, parameters and prompts are taken out (${removed})`);
  const names = [...new Set(kept.map(([name]) => name))].join(", ");
  if (local) return passed(`kept in ${environment}, for whoever debugs there: ${names}`);
  const notes = kept.map(([name, what]) => `${name}: ${what}`);
  const next = `set OTEL_REMOVED_ATTRIBUTES in env/${environment}.env to ^(http\\.request\\.body|parameter)\\.|^(request|response)_data$`;
  return failed(`OTEL_REMOVED_ATTRIBUTES lets pass ${names}`, next, notes);
}
