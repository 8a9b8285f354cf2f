import { type CheckResult, failed, passed } from "./check.ts";
import { type Address, explainConnection } from "./checkConnection.ts";
import type { CollectorClient } from "./collectorClient.ts";
import { type Reply, request } from "./request.ts";

/**
 * Whether the collector takes OTLP over HTTP : asked with requests without telemetry.
 * @returns what was seen, of all three signals
 */
export async function checkOtlpHttp(client: CollectorClient, next: string): Promise<CheckResult> {
  const where = client.address(4318);
  const answers = await Promise.all(
    ["traces", "metrics", "logs"].map(async (signal) => {
      const reply = await client
        .ask(4318, `/v1/${signal}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: "{}",
        })
        .catch((error: Error) => explainConnection(error));
      if (typeof reply === "string") return reply;
      return reply.status === 200 ? undefined : `${signal}: expected 200, got ${reply.status}`;
    }),
  );
  const [fault] = answers.filter((one) => one !== undefined);
  return fault === undefined
    ? passed(`${where} takes all three`)
    : failed(`${where}: ${fault}`, next);
}

/** The same over gRPC, which is how the server sends. */
export async function checkOtlpGrpc(
  port: number,
  now: () => number,
  next: string,
): Promise<CheckResult> {
  const where = { host: "127.0.0.1", port, tls: false };
  const { code, details } = await checkGrpc(where, { untilMs: now() + 5000 });
  if (code === "OK") return passed(`127.0.0.1:${port} takes traces`);
  return failed(`127.0.0.1:${port}: ${code}: ${details}`, next);
}

/** What a receiver said to a request without any telemetry in it. */
interface GrpcAnswer {
  /** OK, UNAUTHENTICATED, … as gRPC names its codes. */
  readonly code: string;
  readonly details: string;
}

interface GrpcInput {
  /** Headers, such as a key. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A certificate (PEM) that is trusted too. */
  readonly caCertificate?: string | undefined;
  /** When it is given up, in milliseconds since 1970. */
  readonly untilMs: number;
}

/**
 * Sends an export of no spans over gRPC, as the server and exporters send theirs: it is answered
 * like any other, and leaves nothing. No proxy is used, as the collector uses none.
 */
async function checkGrpc(
  { host, port, tls }: Address,
  { headers = {}, caCertificate, untilMs }: GrpcInput,
): Promise<GrpcAnswer> {
  const { Client, Metadata, credentials, status } = await import("@grpc/grpc-js");
  const trusted = tls
    ? credentials.createSsl(await roots(caCertificate))
    : credentials.createInsecure();
  const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new Client(target, trusted, { "grpc.enable_http_proxy": 0 });
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.alloc(0), // an ExportTraceServiceRequest whose only list is empty
        metadata,
        { deadline: untilMs },
        (error) =>
          resolve({
            code: error === null ? "OK" : (status[error.code] ?? String(error.code)),
            details: error?.details ?? "",
          }),
      );
    });
  } finally {
    client.close();
  }
}

async function roots(caCertificate: string | undefined): Promise<Buffer> {
  const { getCACertificates } = await import("node:tls");
  const own = caCertificate === undefined ? [] : [caCertificate];
  return Buffer.from([...getCACertificates("default"), ...own].join("\n"));
}

/** Where Datadog is asked about a key. */
interface DatadogAccount {
  readonly site: string;
  /** Another address than the site's; "" where there is none. */
  readonly intake: string;
  readonly key: string;
  /** A certificate (PEM) that is trusted too. */
  readonly caCertificate: string | undefined;
}

/**
 * Whether Datadog answers and knows the key, by the request that its exporter makes at its start
 * (GET /api/v1/validate of Datadog's API).
 */
export async function checkDatadog(account: DatadogAccount, next: string): Promise<CheckResult> {
  const { intake, key, caCertificate } = account;
  const base = intake === "" ? `https://api.${siteOf(account)}` : intake.replace(/\/+$/, "");
  const reply = await request(`${base}/api/v1/validate`, {
    headers: { "dd-api-key": key, connection: "close" },
    elsewhere: { caCertificate },
  }).catch((error: Error) => explainConnection(error));
  if (typeof reply === "string") return failed(`${base}: ${reply}`, next);
  return checkValidation(reply, base, account, next);
}

/** What the answer to /api/v1/validate means. */
export function checkValidation(
  { status, body }: Reply,
  base: string,
  account: DatadogAccount,
  next: string,
): CheckResult {
  if (status === 200 && /"valid"\s*:\s*true/.test(body)) return passed(`${base} knows the key`);
  if (status === 401 || status === 403 || status === 200) {
    const other = account.intake === "" ? `, or its account is not at ${siteOf(account)}` : "";
    return failed(`${base} does not know the key of DD_API_KEY${other} (${status})`, next);
  }
  if (status === 429) return failed(`${base} asks to be asked less (429)`, next);
  return failed(`${base}/api/v1/validate: expected 200, got ${status}`, next);
}

function siteOf({ site }: DatadogAccount): string {
  return site || "datadoghq.com";
}

const patienceMs = 5000;

/** Whether SigNoz takes the ingestion key: asked with an export of nothing. */
export async function checkSigNoz(
  address: Address,
  key: string,
  parts: { readonly caCertificate: string | undefined; readonly now: () => number },
  next: string,
): Promise<CheckResult> {
  const answer = await checkGrpc(address, {
    headers: { "signoz-ingestion-key": key },
    caCertificate: parts.caCertificate,
    untilMs: parts.now() + patienceMs,
  });
  return checkKey(answer, address, next);
}

/** What an answer to an export of nothing says of the key, and of the endpoint. */
export function checkKey(
  { code, details }: GrpcAnswer,
  { host, port, tls }: Address,
  next: string,
): CheckResult {
  const said = `${code}: ${details}`;
  if (code === "OK") return passed("SigNoz takes it");
  if (code === "UNAUTHENTICATED" || code === "PERMISSION_DENIED") {
    return failed(`SigNoz does not take the key of SIGNOZ_INGESTION_KEY (${said})`, next);
  }
  if (code === "UNIMPLEMENTED") {
    return failed(`${host}:${port} is no OTLP receiver over gRPC (${said})`, next);
  }
  if (code === "UNAVAILABLE" && !tls) {
    return failed(
      `no gRPC without TLS there: is the endpoint to begin with https://? (${said})`,
      next,
    );
  }
  return failed(`SigNoz answers ${said}`, next);
}
