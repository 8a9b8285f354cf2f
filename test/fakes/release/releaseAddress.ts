import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

/** How a file is answered: its bytes, a status, or by hand. */
type Answer = Buffer | number | ((reply: ServerResponse) => void);

export interface ReleaseAddress {
  /** For OTEL_RELEASE_URL. */
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: readonly string[];
  /** What the names of files are answered with from now on; others are a 404. */
  answer(files: Readonly<Record<string, Answer>>): void;
  close(): void;
}

/** Stands for the address that releases of the collector are downloaded from, well or badly. */
export async function releaseAddress(): Promise<ReleaseAddress> {
  let files: Readonly<Record<string, Answer>> = {};
  const asked: string[] = [];
  const server = createServer((request, reply) => {
    const path = request.url ?? "";
    asked.push(path);
    const answer = files[path.split("/").at(-1) ?? ""] ?? 404;
    if (typeof answer === "function") return answer(reply);
    if (typeof answer === "number") return void reply.writeHead(answer).end("no");
    const type = path.endsWith(".txt") ? "text/plain" : "application/octet-stream";
    reply.writeHead(200, { "content-type": type, "content-length": answer.length }).end(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/releases`,
    asked,
    answer: (given) => void (files = given),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
