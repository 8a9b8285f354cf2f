import { check, type Check, type Seen, type Tools } from "./check.ts";
import { collectorDoor } from "./collectorDoor.ts";
import { collectorHealthy, healthEndpoint } from "./collectorHealthy.ts";
import type { Expectation } from "./expectation.ts";
import { productionChecks } from "./productionChecks.ts";
import { proveTelemetry } from "./proveTelemetry.ts";
import { readBack, type Sink } from "./readBack.ts";
import { request } from "./request.ts";
import { sinksOf, unreadable } from "./sinksOf.ts";
import { routeLimitMs } from "./watchRoutes.ts";

export type { Check, Tools };

/**
 * Proves that a stack works: each check does the thing itself. They run side by side,
 * so that the proof takes as long as its slowest check.
 */
export async function verify(expected: Expectation, tools: Tools): Promise<Check[]> {
  const visitor = `letta-stack-canary/${tools.randomId()}`;
  const read = readThroughServer(expected, visitor);
  const [proofs, server, spans, grafana] = await Promise.all([
    proveTelemetry(expected, tools),
    serverChecks(expected, read),
    spansArrive(expected, visitor, read, tools),
    check("Grafana link", () => grafanaLink(expected)),
  ]);
  const door = await doorOf(expected, tools);
  const health = () => healthEndpoint(door);
  const production = await productionChecks(proofs, expected.delivery, health);
  const sent = proofs.flatMap((one) => one.checks);
  return [...ofTelemetry(sent), ...server, ...ofTelemetry([spans, grafana, ...production])];
}

function ofTelemetry(checks: readonly Check[]): Check[] {
  return checks.map((one) => ({ ...one, about: "telemetry" }));
}

/** The part of the proof that needs no server: canaries through the collector's own doors. */
export async function verifyTelemetry(expected: Expectation, tools: Tools): Promise<Check[]> {
  return ofTelemetry((await proveTelemetry(expected, tools)).flatMap((one) => one.checks));
}

/**
 * The part of the proof that is the server's own, without waiting for its spans: they take
 * as long as all batches on their way.
 */
export async function verifyServer(expected: Expectation, tools: Tools): Promise<Check[]> {
  const visitor = `letta-stack-check/${tools.randomId()}`;
  return serverChecks(expected, readThroughServer(expected, visitor));
}

/** The part of the proof that follows a request of ours from the server into the sinks. */
export async function verifySpans(expected: Expectation, tools: Tools): Promise<Check[]> {
  const visitor = `letta-stack-canary/${tools.randomId()}`;
  const read = readThroughServer(expected, visitor);
  return ofTelemetry([await spansArrive(expected, visitor, read, tools)]);
}

/** The check of telemetry that the server has a part in. */
export const spansCheck = "server's spans";

function spansArrive(expected: Expectation, visitor: string, read: Promise<Seen>, tools: Tools) {
  return check(spansCheck, async () => {
    const seen = await read;
    return typeof seen === "string" ? serverSpans(expected, visitor, tools) : seen;
  });
}

/** What still answers: the part of the proof that takes no time. */
export async function verifyQuickly(expected: Expectation, tools: Tools): Promise<Check[]> {
  const [healthy, server] = await Promise.all([
    check("collector healthy", async () => collectorHealthy(await doorOf(expected, tools))),
    verifyServer(expected, tools),
  ]);
  return [...ofTelemetry([healthy]), ...server];
}

function serverChecks(expected: Expectation, read: Promise<Seen>): Promise<Check[]> {
  return Promise.all([
    check("server version", () => serverVersion(expected)),
    check("database read", () => read),
    check("server's password", () => refusesStrangers(expected)),
  ]);
}

/** The collector that the stack's own doors lead to. */
async function doorOf({ project, collectors }: Expectation, { engine }: Tools) {
  const { service = "collector", published = new Map<number, number>() } = collectors[0] ?? {};
  const found = (await engine.containers(project)).find((one) => one.service === service);
  return collectorDoor(service, published, found, engine);
}

/**
 * A server whose collector was away tries a batch again after 1, 2, 4, 8, 16 and 32 seconds, all
 * others behind it, and asks for a new address only every half minute (OpenTelemetry's SDK 1.30,
 * gRPC's resolver); then the span is still to be gathered, and delivered.
 */
const serverPatienceMs = 63_000;
/** How far the clock of the engine's machine may be from this one's. */
const clockMs = 60_000;

/** The span of a request of ours, which the server sends to whichever collector it reaches. */
async function serverSpans(expected: Expectation, visitor: string, tools: Tools): Promise<Seen> {
  const { collectors, delivery, project, serverGathersMs } = expected;
  const containers = await tools.engine.containers(project);
  const each = collectors.map(({ service }) => {
    const container = containers.find((one) => one.service === service);
    return sinksOf(expected, "traces", container, tools);
  });
  const sinks = (each[0] ?? []).map((first, index): Sink => {
    const others = each.map((one) => one[index]!);
    return {
      name: first.name,
      has: async (wanted) =>
        (await Promise.all(others.map((one) => one.has(wanted)))).includes(true),
    };
  });
  if (sinks.length === 0) return { skipped: unreadable(expected, "traces") };
  const limits = delivery.routes.map((one) => routeLimitMs(one, delivery) + serverGathersMs);
  const wanted = { what: visitor, by: "attribute", sinceMs: tools.now() - clockMs } as const;
  const patience = serverPatienceMs + Math.max(0, ...limits);
  return readBack(sinks, wanted, patience, tools.now);
}

async function serverVersion(expected: Expectation): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  const reply = await request(expected.serverUrl + expected.server.versionPath, asked(expected));
  if (reply.status !== 200) throw new Error(`expected 200, got ${reply.status}`);
  const fields = JSON.parse(reply.body) as Record<string, unknown>;
  const version = fields[expected.server.versionField];
  if (version !== expected.version) {
    throw new Error(`expected ${expected.version}, got ${String(version)}`);
  }
  return expected.version;
}

/** Whoever was just let in with thousands that had waited is answered late, and answered. */
const serverTimeoutMs = 30_000;

function asked({ serverName }: Expectation) {
  return { timeoutMs: serverTimeoutMs, ...(serverName === undefined ? {} : { serverName }) };
}

/** A read that only the database can answer, under a name that its span will carry. */
async function readThroughServer(expected: Expectation, visitor: string): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  const bearer = expected.password ? { authorization: `Bearer ${expected.password}` } : {};
  const url = expected.serverUrl + expected.server.readPath;
  const reply = await request(url, {
    ...asked(expected),
    headers: { "user-agent": visitor, ...bearer },
  });
  if (reply.status !== 200)
    throw new Error(`expected 200 from ${expected.server.readPath}, got ${reply.status}`);
  return `200 from ${expected.server.readPath}`;
}

/** A server that asks for a password must not answer whoever has none. */
async function refusesStrangers(expected: Expectation): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  if (expected.password === undefined) return { skipped: "SECURE is false" };
  const { readPath } = expected.server;
  const { status } = await request(expected.serverUrl + readPath, asked(expected));
  if (status === 401 || status === 403) return `${status} without it`;
  throw new Error(`expected 401 from ${readPath} without the password, got ${status}`);
}

function grafanaLink({ grafana }: Expectation): Seen {
  if (grafana === undefined) return { skipped: "GRAFANA is off" };
  return `${grafana.url}?var-device_id=${grafana.deviceId}`;
}
