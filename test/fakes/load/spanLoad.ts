import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import { encoded, otlpMessages } from "../otlp/otlpMessages.ts";

export interface LoadParts {
  /** Where the collector takes OTLP over gRPC. */
  readonly port: number;
  readonly perSecond: number;
  /** Spans of one request; a server's SDK gathers them for a moment. */
  readonly batch?: number;
}

export interface SpanLoad {
  /** How many spans were made so far, and how many of them a collector said it has. */
  readonly made: () => number;
  readonly acknowledged: () => number;
  /** Makes no more; ends when every span was acknowledged, or the time is over. */
  finish(timeoutMs: number): Promise<void>;
}

/** As the SDKs do: again after a while that doubles, up to five seconds. */
const firstPauseMs = 200;
const longestPauseMs = 5000;
const answerMs = 5000;

/**
 * Makes spans at a steady rate and sends them as an SDK's batch processor does: a batch that
 * was not acknowledged is retained and sent again. Unlike an SDK it forgets none, however long it
 * takes, so that what is missing in the end was lost behind the collector's receiver. Each span
 * is `load`, lasts a millisecond and ends when it is made.
 */
export function spanLoad(parts: LoadParts): SpanLoad {
  const { batch = 50 } = parts;
  const waiting: Uint8Array[] = [];
  const counts = { made: 0, acknowledged: 0, isMaking: true };
  const client = new Client(`127.0.0.1:${parts.port}`, credentials.createInsecure(), {
    "grpc.max_reconnect_backoff_ms": longestPauseMs,
  });
  const making = (async () => {
    const started = performance.now();
    while (counts.isMaking) {
      const due = ((performance.now() - started) / 1000) * parts.perSecond;
      while (counts.made + batch <= due) {
        waiting.push(requestOf(batch));
        counts.made += batch;
      }
      await sleep(20);
    }
  })();
  const sending = (async () => {
    let pause = firstPauseMs;
    while (counts.isMaking || waiting.length > 0) {
      const [request] = waiting;
      if (request === undefined) {
        await sleep(20);
      } else if (await isTaken(client, request)) {
        waiting.shift();
        counts.acknowledged += batch;
        pause = firstPauseMs;
      } else {
        await sleep(pause);
        pause = Math.min(pause * 2, longestPauseMs);
      }
    }
  })();
  return {
    made: () => counts.made,
    acknowledged: () => counts.acknowledged,
    async finish(timeoutMs) {
      counts.isMaking = false;
      await making;
      await Promise.race([sending, sleep(timeoutMs, undefined, { ref: false })]);
      waiting.length = 0;
      client.close();
    },
  };
}

/** Sends one export request. @returns whether it was acknowledged */
export function isTaken(client: Client, request: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      otlpMessages.paths.traces,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (reply) => reply,
      request,
      { deadline: Date.now() + answerMs },
      (error) => resolve(error === null),
    );
  });
}

const resource = {
  attributes: [{ key: "service.name", value: { stringValue: "letta-stack-load" } }],
};

/**
 * One export request of spans that are like a server's: a name, a kind and some attributes.
 * @param count how many spans it has, each with an id of its own
 */
export function requestOf(count: number): Uint8Array {
  const end = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano: `${end - 1_000_000n}`, endTimeUnixNano: `${end}` };
  const ids = randomBytes(count * 24);
  const spans = Array.from({ length: count }, (_, index) => ({
    traceId: ids.subarray(index * 24, index * 24 + 16),
    spanId: ids.subarray(index * 24 + 16, index * 24 + 24),
    name: "load",
    kind: 2,
    ...times,
    attributes,
  }));
  return encoded(otlpMessages.traces, { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
}

const attributes = Object.entries({
  "http.method": "GET",
  "http.route": "/v1/agents/",
  "http.url": "http://127.0.0.1:8283/v1/agents/?limit=50",
  "http.status_code": "200",
  "net.peer.ip": "172.18.0.5",
  "user_agent.original": "letta-client/0.1.319",
}).map(([key, stringValue]) => ({ key, value: { stringValue } }));
