import type { Address } from "./checkConnection.ts";

/** What a receiver said to a request without any telemetry in it. */
export interface GrpcAnswer {
  /** OK, UNAUTHENTICATED, … as gRPC names its codes. */
  readonly code: string;
  readonly details: string;
}

export interface GrpcInput {
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
export async function checkGrpc(
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
