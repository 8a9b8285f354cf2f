import { request as httpRequest } from "node:http";

export interface Reply {
  readonly status: number;
  readonly body: string;
}

export interface Asked {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
}

/**
 * One HTTP request. Not `fetch`: that costs a tenth of a second when first used and
 * refuses some ports.
 * @throws Error where no reply came in time (5 s)
 */
export function request(url: string, asked: Asked = {}): Promise<Reply> {
  const { method = "GET", headers = {}, body, timeoutMs = 5000 } = asked;
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      url,
      { method, headers, signal: AbortSignal.timeout(timeoutMs) },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("error", reject);
        reply.on("end", () => {
          resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
        });
      },
    );
    sent.on("error", (error) => reject(new Error(`${url}: ${error.message}`, { cause: error })));
    sent.end(body);
  });
}
