import { mkdtempSync, rmSync } from "node:fs";
import {
  Agent as PlainAgent,
  request as plainRequest,
  type ClientRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ran, down } from "./prodBench.ts";
import type { Row } from "./releases.ts";

const asked = 400;
const settings = {
  STACK_PROJECT: "letta-bench-proxy",
  PROXY: "true",
  PORT: "18283",
  PROXY_HTTPS_PORT: "18445",
  POSTGRES_PUBLISH_PORT: "18432",
  OTEL_GRPC_PORT: "18317",
  OTEL_HTTP_PORT: "18318",
  OTEL_HEALTH_PORT: "18133",
  OTEL_METRICS_PORT: "18888",
};

/**
 * What a request costs through the proxy, alongside the server's own port: its health, in turns, over
 * one connection each.
 */
export async function proxy(): Promise<Row[]> {
  const state = mkdtempSync(join(tmpdir(), "letta-bench-"));
  const environment = { ...process.env, ...settings, STATE_DIR: state };
  try {
    const brought = await ran(environment, "up", ["dev", "--yes", "--json"]);
    if (brought.code !== 0) throw new Error(JSON.stringify(brought.said));
    const [plain, tls] = [
      new PlainAgent({ keepAlive: true, maxSockets: 1 }),
      new TlsAgent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false }),
    ];
    const direct = () =>
      timed((done) => plainRequest(at("http", settings.PORT), { agent: plain }, done));
    const through = () =>
      timed((done) => tlsRequest(at("https", settings.PROXY_HTTPS_PORT), { agent: tls }, done));
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let count = 0; count < asked; count += 1) {
      theirs.push(await direct());
      ours.push(await through());
    }
    plain.destroy();
    tls.destroy();
    const figure = (share: number) => {
      const of = (all: number[]) => all.toSorted((a, b) => a - b)[Math.floor(all.length * share)]!;
      const [proxied, bare] = [of(ours), of(theirs)];
      return {
        what: `GET /v1/health/ through the proxy / its own port, p${share * 100}`,
        ours: proxied / 1000,
        theirs: bare / 1000,
        claim: "",
      };
    };
    return [figure(0.5), figure(0.99)];
  } finally {
    down(environment);
    rmSync(state, { recursive: true, force: true });
  }
}

const at = (scheme: string, port: string) => `${scheme}://127.0.0.1:${port}/v1/health/`;

type Start = (done: (reply: IncomingMessage) => void) => ClientRequest;

/** Milliseconds until the end of the answer. */
function timed(start: Start): Promise<number> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const sent = start((reply) => {
      reply.resume();
      reply.once("end", () => resolve(performance.now() - begun));
    });
    sent.once("error", reject);
    sent.end();
  });
}
