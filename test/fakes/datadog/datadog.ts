import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import type { CertificateAuthority } from "../otlp/certificateAuthority.ts";
import { hitsIn, linesIn, pointsIn, sketchesIn, spansIn } from "./intakeMessages.ts";

/** What the fake does with a request whose key is right. */
export type DatadogMood =
  | { readonly does: "take" }
  | { readonly does: "refuse"; readonly status: number }
  | { readonly does: "hang" };

type Retained = "spans" | "points" | "lines" | "hits";

export interface Datadog {
  readonly port: number;
  mood: DatadogMood;
  /** How often each thing was retained; hits are the spans that the statistics tell of. */
  readonly retained: { readonly [what in Retained]: Map<string, number> };
  /** Per endpoint, how many requests ended with which status. */
  readonly counts: Map<string, Record<number, number>>;
  close(): Promise<void>;
}

export interface DatadogParts {
  /** An address of this machine that containers reach. */
  readonly host: string;
  readonly port: number;
  readonly key: string;
  readonly caCertificate?: CertificateAuthority;
}

type Read = (body: Buffer, type: string) => [string, number][];

/** What the exporter posts to, what is counted there, and the status Datadog takes it with. */
const endpoints: Readonly<Record<string, readonly [what: Retained, read: Read, status: number]>> = {
  "/api/v0.2/traces": ["spans", spansIn, 200],
  "/api/v0.2/stats": ["hits", hitsIn, 202],
  "/api/v2/series": ["points", pointsIn, 202],
  "/api/beta/sketches": ["points", sketchesIn, 202],
  "/api/v2/logs": ["lines", linesIn, 202],
};

/**
 * Stands for Datadog's intake: the endpoints that the exporter of 0.96.0 uses (its key is asked
 * about at /api/v1/validate, the host is described at /intake), all behind one address, where
 * Datadog has a host for each kind. Keeps what it was given in memory, to be counted. It has no
 * limits of size or age, merges nothing, and answers no query.
 */
export async function datadog(parts: DatadogParts): Promise<Datadog> {
  const counts = new Map<string, Record<number, number>>();
  const retained = { spans: new Map(), points: new Map(), lines: new Map(), hits: new Map() };
  const held = { mood: { does: "take" } as DatadogMood };
  const answer = (path: string, reply: ServerResponse, status: number, body: object) => {
    const counted = counts.get(path) ?? {};
    counted[status] = (counted[status] ?? 0) + 1;
    counts.set(path, counted);
    reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const take = async (request: IncomingMessage, reply: ServerResponse) => {
    const path = new URL(request.url ?? "/", "http://intake").pathname.replace(/(.)\/$/, "$1");
    const body = await plainBody(request);
    const { mood } = held;
    if (mood.does === "hang") return;
    if (mood.does === "refuse") {
      return answer(path, reply, mood.status, { errors: [`the fake answers ${mood.status}`] });
    }
    if (request.headers["dd-api-key"] !== parts.key) {
      return answer(path, reply, 403, { status: "error", code: 403, errors: ["Forbidden"] });
    }
    if (path === "/api/v1/validate") return answer(path, reply, 200, { valid: true });
    const endpoint = endpoints[path];
    if (endpoint === undefined) return answer(path, reply, 202, { status: "ok" });
    const [what, read, status] = endpoint;
    for (const [name, times] of read(body, request.headers["content-type"] ?? "")) {
      retained[what].set(name, (retained[what].get(name) ?? 0) + times);
    }
    answer(path, reply, status, { errors: [] });
  };
  const handle = (request: IncomingMessage, reply: ServerResponse) => {
    take(request, reply).catch((error: Error) => {
      answer(`${request.url} unread`, reply, 400, { errors: [error.message] });
    });
  };
  const { caCertificate } = parts;
  const server = caCertificate
    ? createTlsServer({ key: caCertificate.key, cert: caCertificate.certificate }, handle)
    : createServer(handle);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(parts.port, parts.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(held, {
    port,
    counts,
    retained,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** The body without its compression. The exporter says gzip of host descriptions that are none. */
async function plainBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (body.length > 1 && body.readUInt16BE() === 0x1f8b) return gunzipSync(body);
  if (request.headers["content-encoding"] === "deflate") return inflateSync(body);
  const isZstd = request.headers["content-encoding"]?.startsWith("zstd");
  return isZstd ? zstdDecompressSync(body) : body;
}
