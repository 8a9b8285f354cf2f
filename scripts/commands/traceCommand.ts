import { ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { spansOf } from "./spansOf.ts";
import type { Ending, TracedStep } from "./traced.ts";

/** Less than the exporter's first pause before it tries again (0.8 s at the least): it never does. */
const answerMs = 750;
/** Whatever the other side does; the rest of the second is for loading the SDK. */
const limitMs = 900;

/**
 * Sends spans by OTLP over HTTP, once. Never throws, and never takes longer than 0.9 s; what is
 * given up may still hold a socket.
 * @param base such as http://127.0.0.1:4318
 * @returns undefined where they were taken, else why not
 */
export async function sendSpans(
  spans: readonly ReadableSpan[],
  base: string,
): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const url = `${base.replace(/\/+$/, "")}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, timeoutMillis: answerMs });
    const sent = new Promise<string | undefined>((resolve) =>
      exporter.export([...spans], ({ code, error }) =>
        resolve(code === ExportResultCode.SUCCESS ? undefined : reported(error)),
      ),
    );
    const tooLate = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${limitMs} ms`), limitMs);
    });
    return await Promise.race([sent, tooLate]);
  } catch (error) {
    return reported(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Node tells of several addresses at once without a message. */
function reported(error: unknown): string {
  const { message, code } = (error ?? {}) as { message?: string; code?: string | number };
  return message || String(code ?? "refused");
}

/** A command with all its steps, when it has ended. */
export interface TracedCommand extends Ending {
  /** Such as "deploy". */
  readonly command: string;
  /** Milliseconds since 1970. */
  readonly begun: number;
  readonly ended: number;
  readonly steps: readonly TracedStep[];
  /** Whether Ctrl-C was pressed. */
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
  const { settings, input } = command;
  if (settings === undefined || process.env["OTEL_SDK_DISABLED"] === "true") return undefined;
  const manifest = readFileSync(join(input.root, "package.json"), "utf8");
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
