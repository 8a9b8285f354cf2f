import { checkRedis } from "./checkRedis.ts";
import { check, type Check, type Context, type Seen } from "./check.ts";
import { collectorClient, collectorHealthy, healthEndpoint } from "./collectorClient.ts";
import type { Expectation } from "./expectation.ts";
import { productionChecks } from "./productionChecks.ts";
import { checkTelemetryFlow } from "./checkTelemetryFlow.ts";
import { readBack, type Sink, sinksOf, unreadable } from "./readBack.ts";
import { request } from "./request.ts";
import { routeLimitMs } from "./watchRoutes.ts";

export type { Check, Context };

/**
 * Verifies that a stack works: each check does the thing itself. They run in parallel,
 * so that the verification takes as long as its slowest check.
 */
export async function verify(expected: Expectation, context: Context): Promise<Check[]> {
  const visitor = `letta-stack-canary/${context.randomId()}`;
  const read = readThroughServer(expected, visitor);
  const [verifications, server, redis, spans, grafana] = await Promise.all([
    checkTelemetryFlow(expected, context),
    serverChecks(expected, read),
    redisCheck(expected, read, context),
    spansArrive(expected, visitor, read, context),
    check("Grafana link", () => grafanaLink(expected)),
  ]);
  const client = await clientOf(expected, context);
  const health = () => healthEndpoint(client);
  const production = await productionChecks(verifications, expected.delivery, health);
  const sent = verifications.flatMap((one) => one.checks);
  return [...ofTelemetry(sent), ...server, redis, ...ofTelemetry([spans, grafana, ...production])];
}

function ofTelemetry(checks: readonly Check[]): Check[] {
  return checks.map((one) => ({ ...one, description: "telemetry" }));
}

/** The checks that need no server: canaries through the collector's own ports. */
export async function verifyTelemetry(expected: Expectation, context: Context): Promise<Check[]> {
  return ofTelemetry((await checkTelemetryFlow(expected, context)).flatMap((one) => one.checks));
}

/**
 * The server's own checks, without waiting for its spans: they take
 * as long as all batches on their way.
 */
export async function verifyServer(expected: Expectation, context: Context): Promise<Check[]> {
  const visitor = `letta-stack-check/${context.randomId()}`;
  return serverChecks(expected, readThroughServer(expected, visitor));
}

/** The checks that follow a request of ours from the server into the sinks. */
export async function verifySpans(expected: Expectation, context: Context): Promise<Check[]> {
  const visitor = `letta-stack-canary/${context.randomId()}`;
  const read = readThroughServer(expected, visitor);
  return ofTelemetry([await spansArrive(expected, visitor, read, context)]);
}

/** The check of telemetry that the server has a part in. */
export const spansCheck = "server's spans";

function spansArrive(
  expected: Expectation,
  visitor: string,
  read: Promise<Seen>,
  context: Context,
) {
  return check(spansCheck, async () => {
    const seen = await read;
    return typeof seen === "string" ? serverSpans(expected, visitor, context) : seen;
  });
}

/** What still answers: the quick checks. */
export async function verifyQuickly(expected: Expectation, context: Context): Promise<Check[]> {
  const read = readThroughServer(expected, `letta-stack-check/${context.randomId()}`);
  const [healthy, server, redis] = await Promise.all([
    check("collector healthy", async () => collectorHealthy(await clientOf(expected, context))),
    serverChecks(expected, read),
    redisCheck(expected, read, context),
  ]);
  return [...ofTelemetry([healthy]), ...server, redis];
}

/** Not of a fast rollback: there the server alone counts. */
function redisCheck(expected: Expectation, read: Promise<Seen>, context: Context): Promise<Check> {
  return check("redis", async () => {
    // The server connects at its first request: without an answer nothing is known.
    const isAnswered = await read.then(
      (seen) => typeof seen === "string",
      () => false,
    );
    const { project, redis, server } = expected;
    if (redis !== undefined && !isAnswered) return { skipped: "the server answers no read" };
    const found = redis === undefined ? [] : await context.engine.containers(project);
    const runs = found.filter((one) => one.service === server.service && one.state === "running");
    return checkRedis(redis, runs, context);
  });
}

function serverChecks(expected: Expectation, read: Promise<Seen>): Promise<Check[]> {
  return Promise.all([
    check("server version", () => serverVersion(expected)),
    check("database read", () => read),
    check("server's password", () => refusesStrangers(expected)),
  ]);
}

/** The collector that the stack publishes. */
async function clientOf({ project, collectors }: Expectation, { engine }: Context) {
  const { service = "collector", published = new Map<number, number>() } = collectors[0] ?? {};
  const found = (await engine.containers(project)).find((one) => one.service === service);
  return collectorClient(service, published, found, engine);
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
async function serverSpans(
  expected: Expectation,
  visitor: string,
  context: Context,
): Promise<Seen> {
  const { collectors, delivery, project, serverBatchDelayMs } = expected;
  const containers = await context.engine.containers(project);
  const each = collectors.map(({ service }) => {
    const container = containers.find((one) => one.service === service);
    return sinksOf(expected, "traces", container, context);
  });
  const sinks = (each[0] ?? []).map((first, index): Sink => {
    const others = each.map((one) => one[index]!);
    return {
      name: first.name,
      has: async (requested) =>
        (await Promise.all(others.map((one) => one.has(requested)))).includes(true),
    };
  });
  if (sinks.length === 0) return { skipped: unreadable(expected, "traces") };
  const limits = delivery.routes.map((one) => routeLimitMs(one, delivery) + serverBatchDelayMs);
  const requested = { what: visitor, by: "attribute", sinceMs: context.now() - clockMs } as const;
  const patience = serverPatienceMs + Math.max(0, ...limits);
  return readBack(sinks, requested, patience, context.now);
}

async function serverVersion(expected: Expectation): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  const reply = await request(expected.serverUrl + expected.server.versionPath, input(expected));
  if (reply.status !== 200) throw new Error(`expected 200, got ${reply.status}`);
  const fields = JSON.parse(reply.body) as Record<string, unknown>;
  const version = fields[expected.server.versionField];
  if (version !== expected.version) {
    throw new Error(`expected ${expected.version}, got ${String(version)}`);
  }
  return expected.version;
}

/** A request that waited with thousands of others is answered late, but answered. */
const serverTimeoutMs = 30_000;

function input({ serverName }: Expectation) {
  return { timeoutMs: serverTimeoutMs, ...(serverName === undefined ? {} : { serverName }) };
}

/** A read that only the database can answer, under a name that its span will carry. */
async function readThroughServer(expected: Expectation, visitor: string): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  const bearer = expected.password ? { authorization: `Bearer ${expected.password}` } : {};
  const url = expected.serverUrl + expected.server.readPath;
  const reply = await request(url, {
    ...input(expected),
    headers: { "user-agent": visitor, ...bearer },
  });
  if (reply.status !== 200)
    throw new Error(`expected 200 from ${expected.server.readPath}, got ${reply.status}`);
  return `200 from ${expected.server.readPath}`;
}

/** A server that asks for a password must not answer a client without it. */
async function refusesStrangers(expected: Expectation): Promise<Seen> {
  if (expected.serverUrl === undefined) return { skipped: "the server publishes no port here" };
  if (expected.password === undefined) return { skipped: "SECURE is false" };
  const { readPath } = expected.server;
  const { status } = await request(expected.serverUrl + readPath, input(expected));
  if (status === 401 || status === 403) return `${status} without it`;
  throw new Error(`expected 401 from ${readPath} without the password, got ${status}`);
}

function grafanaLink({ grafana }: Expectation): Seen {
  if (grafana === undefined) return { skipped: "GRAFANA_ENABLED is off" };
  return `${grafana.url}?var-device_id=${grafana.deviceId}`;
}
