import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { encoded, otlpMessages } from "../otlp/otlpMessages.ts";
import type { CertificateAuthority } from "../otlp/certificateAuthority.ts";

/** What the fake does with a request whose key is right. */
export type SigNozMood =
  | { readonly does: "take" }
  /** With a delay, the refusal says that it is one for now: only such a RESOURCE_EXHAUSTED is tried again. */
  | { readonly does: "refuse"; readonly code: keyof typeof status; readonly retryAfterMs?: number }
  | { readonly does: "hang" }
  /** Says OK and keeps nothing. */
  | { readonly does: "lie" }
  /** Says OK, keeps nothing, and says of everything that it was rejected. */
  | { readonly does: "reject" };

export interface SigNoz {
  readonly port: number;
  mood: SigNozMood;
  /** How often each thing was retained: spans by their id, points by metric, lines by their text. */
  readonly retained: { readonly [signal in Signal]: Map<string, number> };
  /** Requests by what became of them. */
  readonly counts: { taken: number; refused: number; wrongKey: number; lied: number };
  close(): void;
}

export interface SigNozParts {
  /** An address of this machine that containers reach. */
  readonly host: string;
  readonly port: number;
  readonly key: string;
  /** Without it the fake speaks without TLS, as a SigNoz of one's own does. */
  readonly caCertificate?: CertificateAuthority;
}

type Signal = "traces" | "metrics" | "logs";
type Call = ServerUnaryCall<Buffer, Uint8Array>;
type Answer = sendUnaryData<Uint8Array>;

const signals: readonly Signal[] = ["traces", "metrics", "logs"];
const asIs = (bytes: Uint8Array) => Buffer.from(bytes);

/**
 * Stands for SigNoz' ingestion: OTLP over gRPC, with TLS or without, and the header
 * signoz-ingestion-key. Keeps what it was given in memory, to be counted. It has no user
 * interface, no limits by key, no OTLP over HTTP, and does not tell tenants apart; which code a
 * real SigNoz has for a wrong key is not documented: UNAUTHENTICATED here.
 */
export async function signoz(parts: SigNozParts): Promise<SigNoz> {
  const counts = { taken: 0, refused: 0, wrongKey: 0, lied: 0 };
  const retained = { traces: new Map(), metrics: new Map(), logs: new Map() };
  const held = { mood: { does: "take" } as SigNozMood };
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const export_ = (signal: Signal) => (call: Call, answer: Answer) => {
    const [key] = call.metadata.get("signoz-ingestion-key");
    if (key !== parts.key) {
      counts.wrongKey += 1;
      return answer({ code: status.UNAUTHENTICATED, details: "the ingestion key is not known" });
    }
    const { mood } = held;
    if (mood.does === "hang") return;
    if (mood.does === "refuse") {
      counts.refused += 1;
      return answer(refusal(mood.code, mood.retryAfterMs));
    }
    if (mood.does === "take") {
      counts.taken += 1;
      for (const [id, times] of contents(signal, call.request)) {
        retained[signal].set(id, (retained[signal].get(id) ?? 0) + times);
      }
      return answer(null, encoded(otlpMessages.reply, {}));
    }
    counts.lied += 1;
    if (mood.does === "lie") return answer(null, encoded(otlpMessages.reply, {}));
    const rejected = [...contents(signal, call.request)].reduce((sum, [, times]) => sum + times, 0);
    const partialSuccess = { rejected, errorMessage: "not retained" };
    answer(null, encoded(otlpMessages.reply, { partialSuccess }));
  };
  for (const signal of signals) {
    const method = {
      path: otlpMessages.paths[signal],
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: asIs,
      responseDeserialize: (bytes: Buffer) => bytes,
    };
    server.addService({ Export: method }, { Export: export_(signal) });
  }
  const { caCertificate } = parts;
  const credentials = caCertificate
    ? ServerCredentials.createSsl(null, [
        { private_key: caCertificate.key, cert_chain: caCertificate.certificate },
      ])
    : ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${parts.host}:${parts.port}`, credentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return Object.assign(held, { port, counts, retained, close: () => server.forceShutdown() });
}

function refusal(name: keyof typeof status, retryAfterMs: number | undefined) {
  const code = status[name] as number;
  const details = `the fake answers ${name}`;
  if (retryAfterMs === undefined) return { code, details };
  const retryDelay = {
    seconds: Math.floor(retryAfterMs / 1000),
    nanos: (retryAfterMs % 1000) * 1e6,
  };
  const value = encoded(otlpMessages.retryInfo, { retryDelay });
  const any = { type_url: "type.googleapis.com/google.rpc.RetryInfo", value };
  const metadata = new Metadata();
  const said = encoded(otlpMessages.status, { code, message: details, details: [any] });
  metadata.set("grpc-status-details-bin", Buffer.from(said));
  return { code, details, metadata };
}

interface Decoded {
  readonly resourceSpans: { scopeSpans: { spans: { spanId: Uint8Array }[] }[] }[];
  readonly resourceMetrics: { scopeMetrics: { metrics: DecodedMetric[] }[] }[];
  readonly resourceLogs: { scopeLogs: { logRecords: { body?: { stringValue: string } }[] }[] }[];
}

type Kind = "gauge" | "sum" | "histogram" | "exponentialHistogram" | "summary";
type DecodedMetric = { name: string } & { [kind in Kind]?: { dataPoints: unknown[] } };

/** What a request carries, each with how many of it. */
function* contents(signal: Signal, bytes: Uint8Array): Generator<[string, number]> {
  const decoded = otlpMessages[signal].decode(bytes) as unknown as Decoded;
  if (signal === "traces") {
    for (const { scopeSpans } of decoded.resourceSpans)
      for (const { spans } of scopeSpans)
        for (const { spanId } of spans) yield [Buffer.from(spanId).toString("hex"), 1];
  } else if (signal === "metrics") {
    for (const { scopeMetrics } of decoded.resourceMetrics)
      for (const { metrics } of scopeMetrics)
        for (const one of metrics) {
          const kind = one.gauge ?? one.sum ?? one.histogram ?? one.exponentialHistogram;
          yield [one.name, (kind ?? one.summary)?.dataPoints.length ?? 0];
        }
  } else {
    for (const { scopeLogs } of decoded.resourceLogs)
      for (const { logRecords } of scopeLogs)
        for (const { body } of logRecords) yield [body?.stringValue ?? "", 1];
  }
}
