import { ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";

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
        resolve(code === ExportResultCode.SUCCESS ? undefined : told(error)),
      ),
    );
    const tooLate = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${limitMs} ms`), limitMs);
    });
    return await Promise.race([sent, tooLate]);
  } catch (error) {
    return told(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Node tells of several addresses at once without a message. */
function told(error: unknown): string {
  const { message, code } = (error ?? {}) as { message?: string; code?: string | number };
  return message || String(code ?? "refused");
}
