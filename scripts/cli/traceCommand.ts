import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sendSpans } from "./sendSpans.ts";
import { spansOf } from "./spansOf.ts";
import type { Ending, TracedStep } from "./traced.ts";

/** A command with all its steps, when it has ended. */
export interface TracedCommand extends Ending {
  /** Such as "deploy". */
  readonly command: string;
  /** Milliseconds since 1970. */
  readonly begun: number;
  readonly ended: number;
  readonly steps: readonly TracedStep[];
  /** Whether somebody pressed Ctrl-C. */
  readonly cancelled: boolean;
}

export interface Trace {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Where it goes, as host and port. */
  readonly target: string;
  /**
   * Sends it, within a second; never throws.
   * @returns undefined where it was taken, else why it was not
   */
  send(): Promise<string | undefined>;
}

/**
 * Makes a command's trace. It goes to OTEL_EXPORTER_OTLP_ENDPOINT, or to the environment's own
 * collector, and hangs below the span that TRACEPARENT names.
 * @returns undefined where there is none: nothing was set up, OTEL_SDK_DISABLED is true, or the
 *   span above is not sampled
 */
export function traceCommand(command: TracedCommand): Trace | undefined {
  const { settings, asked } = command;
  if (settings === undefined || process.env["OTEL_SDK_DISABLED"] === "true") return undefined;
  const manifest = readFileSync(join(asked.root, "package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate } = process.env;
  const above = { traceparent: traceparent ?? "", tracestate: tracestate ?? "" };
  const spans = spansOf(command, settings.project, version, above);
  const id = spans[0]?.spanContext().traceId;
  if (id === undefined) return undefined;
  const base =
    settings.get("OTEL_EXPORTER_OTLP_ENDPOINT") ||
    `http://127.0.0.1:${settings.get("OTEL_HTTP_PORT")}`;
  return { id, target: new URL(base).host, send: () => sendSpans(spans, base) };
}
