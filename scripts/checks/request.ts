import { request as httpRequest, type Agent } from "node:http";
import type { Duplex } from "node:stream";

export interface Reply {
  readonly status: number;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  /** The name a certificate is for; without it any certificate will do. */
  readonly serverName?: string;
  /** For a server elsewhere: its certificate is judged, by this authority (PEM) too. */
  readonly elsewhere?: { readonly caCertificate: string | undefined };
  /** A connection that is there already, such as one into a container. */
  readonly connection?: Duplex;
  /** Makes connections, and keeps them for requests to come. */
  readonly agent?: Agent;
}

/**
 * One HTTP request. Not `fetch`: that costs a tenth of a second when first used and
 * refuses some ports.
 * @throws Error where no reply came in time (5 s)
 */
export async function request(url: string, input: Asked = {}): Promise<Reply> {
  const { method = "GET", headers = {}, body, timeoutMs = 5000, serverName, connection } = input;
  const { elsewhere } = input;
  const isTls = url.startsWith("https:");
  // Without a domain the proxy signs for itself; it is asked on this very machine.
  const tls =
    elsewhere === undefined
      ? { rejectUnauthorized: serverName !== undefined, servername: serverName ?? "localhost" }
      : await judged(elsewhere.caCertificate);
  const ask = isTls ? (await import("node:https")).request : httpRequest;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    // A connection of one's own is taken only where no agent is named.
    const given =
      connection === undefined
        ? { agent: input.agent ?? false }
        : { createConnection: () => connection };
    const sent = ask(
      url,
      {
        method,
        // The proxy answers to that name alone.
        headers: serverName === undefined ? headers : { host: serverName, ...headers },
        ...(isTls ? tls : {}),
        ...given,
        signal,
      },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("error", reject);
        reply.on("end", () => {
          resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
        });
      },
    );
    sent.on("error", (error) => {
      const isLate = error.name === "TimeoutError" || signal.aborted;
      const words = isLate ? `no answer within ${timeoutMs / 1000} s` : error.message;
      reject(new Error(`${url}: ${words}`, { cause: error }));
    });
    sent.end(body);
  });
}

/** Certificates are judged as the collector judges them: known authorities, and one's own. */
async function judged(caCertificate: string | undefined) {
  if (caCertificate === undefined) return { rejectUnauthorized: true };
  const { getCACertificates } = await import("node:tls");
  return { rejectUnauthorized: true, ca: [...getCACertificates("default"), caCertificate] };
}
