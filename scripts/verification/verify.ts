import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, ObservedContainer } from "../engine/engine.ts";
import { canary, sendOverGrpc, sendOverHttp } from "./canary.ts";
import type { Expectation } from "./expectation.ts";
import { request } from "./request.ts";

export interface Check {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** What was seen; for a skipped check why it could not be made. */
  readonly detail: string;
}

export interface Tools {
  readonly engine: Engine;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Sixteen hexadecimal digits, different every time. */
  readonly randomId: () => string;
}

/** How long a canary may take to its sink: prod lets 5 s of spans and 10 s of batches gather. */
const arrivalMs = 30_000;

/** What a check saw, or why it was skipped. */
type Seen = string | { readonly skipped: string };

/**
 * Proves that a stack works: each check does the thing itself. They run side by side,
 * so that the proof takes as long as its slowest check.
 */
export async function verify(expected: Expectation, tools: Tools): Promise<Check[]> {
  const visitor = `letta-stack-canary/${tools.randomId()}`;
  const read = readThroughServer(expected, visitor);
  const [telemetry, server, spans, grafana] = await Promise.all([
    verifyTelemetry(expected, tools),
    serverChecks(expected, read),
    check("server's spans", async () => {
      const seen = await read;
      if (typeof seen !== "string") return seen;
      return readBack(await collectorOf(expected, tools), "traces", visitor, expected, tools);
    }),
    check("Grafana link", async () => grafanaLink(expected)),
  ]);
  return [...telemetry, ...server, spans, grafana];
}

/** The part of the proof that needs no server: canaries through the collector's own doors. */
export async function verifyTelemetry(expected: Expectation, tools: Tools): Promise<Check[]> {
  const sent = canary(tools.randomId());
  const collector = await collectorOf(expected, tools);
  const arrives = (file: string, what: string) => readBack(collector, file, what, expected, tools);
  const grpc = sendOverGrpc(expected.grpcPort, sent, tools.now());
  const http = sendOverHttp(expected.httpPort, sent, tools.now());
  return Promise.all([
    check("collector healthy", () => collectorHealthy(expected, collector)),
    check(
      "OTLP gRPC",
      async () => (await grpc, `a span was taken on 127.0.0.1:${expected.grpcPort}`),
    ),
    check(
      "OTLP HTTP",
      async () => (await http, `a metric and a log were taken on 127.0.0.1:${expected.httpPort}`),
    ),
    check("canary trace", async () => (await grpc, arrives("traces", sent.trace))),
    check("canary metric", async () => (await http, arrives("metrics", sent.metric))),
    check("canary log", async () => (await http, arrives("logs", sent.log))),
  ]);
}

/**
 * The part of the proof that is the server's own, without waiting for its spans: they take
 * as long as all batches on their way.
 */
export async function verifyServer(expected: Expectation, tools: Tools): Promise<Check[]> {
  const visitor = `letta-stack-check/${tools.randomId()}`;
  return serverChecks(expected, readThroughServer(expected, visitor));
}

/** What still answers: the part of the proof that takes no time. */
export async function verifyQuickly(expected: Expectation, tools: Tools): Promise<Check[]> {
  const collector = await collectorOf(expected, tools);
  const [healthy, server] = await Promise.all([
    check("collector healthy", () => collectorHealthy(expected, collector)),
    verifyServer(expected, tools),
  ]);
  return [healthy, ...server];
}

function serverChecks(expected: Expectation, read: Promise<Seen>): Promise<Check[]> {
  return Promise.all([
    check("server version", () => serverVersion(expected)),
    check("database read", () => read),
  ]);
}

async function collectorOf(expected: Expectation, tools: Tools) {
  const found = await tools.engine.containers(expected.project);
  return found.find((one) => one.service === expected.collector);
}

async function check(name: string, look: () => Promise<Seen>): Promise<Check> {
  try {
    const seen = await look();
    if (typeof seen === "string") return { name, outcome: "passed", detail: seen };
    return { name, outcome: "skipped", detail: seen.skipped };
  } catch (error) {
    return { name, outcome: "failed", detail: (error as Error).message };
  }
}

async function collectorHealthy(
  expected: Expectation,
  collector: ObservedContainer | undefined,
): Promise<Seen> {
  if (collector?.health !== "healthy")
    throw new Error(`expected a healthy container, got ${collector?.health ?? "none"}`);
  const reply = await request(`http://127.0.0.1:${expected.healthPort}/`);
  if (reply.status !== 200)
    throw new Error(`expected 200 on ${expected.healthPort}, got ${reply.status}`);
  return `200 on 127.0.0.1:${expected.healthPort}`;
}

async function serverVersion(expected: Expectation): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  const reply = await request(expected.serverUrl + expected.server.versionPath, named(expected));
  if (reply.status !== 200) throw new Error(`expected 200, got ${reply.status}`);
  const fields = JSON.parse(reply.body) as Record<string, unknown>;
  const version = fields[expected.server.versionField];
  if (version !== expected.version) {
    throw new Error(`expected ${expected.version}, got ${String(version)}`);
  }
  return expected.version;
}

function named({ serverName }: Expectation) {
  return serverName === undefined ? {} : { serverName };
}

/** A read that only the database can answer, under a name that its span will carry. */
async function readThroughServer(expected: Expectation, visitor: string): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  const bearer = expected.password ? { authorization: `Bearer ${expected.password}` } : {};
  const url = expected.serverUrl + expected.server.readPath;
  const reply = await request(url, {
    ...named(expected),
    headers: { "user-agent": visitor, ...bearer },
  });
  if (reply.status !== 200)
    throw new Error(`expected 200 from ${expected.server.readPath}, got ${reply.status}`);
  return `200 from ${expected.server.readPath}`;
}

async function readBack(
  container: ObservedContainer | undefined,
  signal: string,
  what: string,
  expected: Expectation,
  tools: Tools,
): Promise<Seen> {
  if (expected.sink !== "file") return { skipped: "no file sink in this profile" };
  if (container === undefined) throw new Error("expected a collector to read from, got none");
  const file = `/var/lib/otelcol/${signal}.json`;
  const started = tools.now();
  while (tools.now() - started < arrivalMs) {
    const { code } = await tools.engine.exec(container.id, [
      "/probe/busybox",
      "grep",
      "-q",
      "-F",
      what,
      file,
    ]);
    if (code === 0)
      return `read back from ${file} after ${((tools.now() - started) / 1000).toFixed(1)} s`;
    await sleep(100);
  }
  throw new Error(`expected it in ${file} within ${arrivalMs / 1000} s, it did not come`);
}

function grafanaLink({ grafana }: Expectation): Seen {
  if (grafana === undefined) return { skipped: "GRAFANA is off" };
  return `${grafana.url}?var-device_id=${grafana.deviceId}`;
}
