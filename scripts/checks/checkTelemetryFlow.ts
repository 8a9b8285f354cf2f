import type { ObservedContainer } from "../docker/engine.ts";
import type { Route, Signal } from "../stack/readDelivery.ts";
import { canary, sendOverGrpc, sendOverHttp, sendSpansOverHttp } from "./canary.ts";
import { check, type Check, type Context } from "./check.ts";
import {
  collectorClient,
  type CollectorClient,
  collectorHealthy,
  type CollectorMetrics,
} from "./collectorClient.ts";
import type { ExpectedCollector, Expectation } from "./expectation.ts";
import { explainExporter } from "./explainExporter.ts";
import { readBack, sinksOf, unreadable } from "./readBack.ts";
import { routeLimitMs, scrape, watchRoutes } from "./watchRoutes.ts";

/** Other parts may say much between two tries of an exporter: this holds what came last. */
const lines = 1000;
const longest = 300;
/** An exporter that tries again waits half a minute at most: what is older is of another trouble. */
const beforeMs = 60_000;

/**
 * Why an exporter does not deliver, by the last the collector said of it, without secrets.
 * @param route its own signal's lines come before those of others
 * @param sinceMs when the verification began, in milliseconds since 1970
 * @returns undefined where it said nothing of the kind
 */
export async function exporterWords(
  { exporter, signal }: Route,
  container: string,
  sinceMs: number,
  { engine, redact }: Pick<Context, "engine" | "redact">,
): Promise<string | undefined> {
  const said = (await engine.tail(container, lines)).split("\n").reverse();
  const troubles = said.flatMap((line) => explainExporter([line]));
  const description = troubles.filter(
    (one) =>
      (one.exporter === exporter || one.exporter === "") &&
      // A line without a time is of a collector that could not start: that is never too old.
      !(Date.parse(one.at) < sinceMs - beforeMs),
  );
  const last = description.find((one) => one.signals.includes(signal)) ?? description[0];
  if (last === undefined) return undefined;
  return `${last.cause}: ${last.meaning} (${redact(last.said).replaceAll(/\s+/g, " ").slice(0, longest)})`;
}

/** How a collector did while its canaries were on their way. */
export interface CollectorVerification {
  readonly collector: ExpectedCollector;
  readonly checks: readonly Check[];
  /** Of the checks, those of a single exporter and signal. */
  readonly routes: readonly Check[];
  /** Its figures before and after; undefined where it did not show them. */
  readonly before: CollectorMetrics | undefined;
  readonly after: CollectorMetrics | undefined;
}

const canaryNames = { traces: "trace", metrics: "metric", logs: "log" } as const;

/**
 * Sends a canary of each signal through every collector's own ports, and follows it out
 * through each exporter and into each sink that can be read.
 */
export async function checkTelemetryFlow(
  expected: Expectation,
  context: Context,
): Promise<CollectorVerification[]> {
  const containers = await context.engine.containers(expected.project);
  return Promise.all(
    expected.collectors.map((collector, index) =>
      checkCollector(
        expected,
        collector,
        containers.find((one) => one.service === collector.service),
        index === 0,
        context,
      ),
    ),
  );
}

async function checkCollector(
  expected: Expectation,
  collector: ExpectedCollector,
  container: ObservedContainer | undefined,
  isProxied: boolean,
  context: Context,
): Promise<CollectorVerification> {
  const { service, published } = collector;
  const { delivery } = expected;
  const client = collectorClient(service, published, container, context.engine);
  const before = await scrape(client).catch((error: Error) => error);
  const sent = canary(context.randomId());
  const atMs = context.now();
  const spans = isProxied
    ? sendOverGrpc(expected.grpcPort, sent, atMs)
    : sendSpansOverHttp(client, sent.trace, [sent.trace.slice(0, 16)], atMs);
  const others = sendOverHttp(client, sent, atMs);
  const taken = { traces: spans, metrics: others, logs: others } as const;
  const watched = Promise.allSettled([spans, others]).then(async () => {
    if (before instanceof Error) throw new Error(`its own metrics: ${before.message}`);
    return watchRoutes(client, delivery, before, context.now);
  });
  // Each check waits for what it needs; other failures show elsewhere.
  for (const one of [spans, others, watched]) one.catch(() => undefined);
  const prefix = isProxied ? "" : `${service} `;
  const arrives = async (signal: Signal, what: string) => {
    await taken[signal];
    const sinks = sinksOf(expected, signal, container, context);
    if (sinks.length === 0) return { skipped: unreadable(expected, signal) };
    const limits = delivery.routes.map((one) => routeLimitMs(one, delivery));
    return readBack(sinks, { what, by: "name", sinceMs: atMs }, Math.max(...limits), context.now);
  };
  const [health, clients, canaries, routes] = await Promise.all([
    check(`${prefix || "collector "}healthy`, () => collectorHealthy(client)),
    isProxied ? endpointChecks(client, spans, others) : [],
    Promise.all(
      (["traces", "metrics", "logs"] as const).map((signal) => {
        const kind = canaryNames[signal];
        return check(`${prefix}canary ${kind}`, () => arrives(signal, sent[kind]));
      }),
    ),
    Promise.all(
      delivery.routes.map((route) =>
        check(prefix + routeName(route), async () => {
          await taken[route.signal];
          const verdict = (await watched).verdicts.get(route)!;
          if (verdict.state === "delivered") return verdict.detail;
          if (verdict.state === "restarted") throw new Error(verdict.detail);
          throw new Error(await explained(verdict.detail, route, atMs, container, context));
        }),
      ),
    ),
  ]);
  const after = await watched.then(
    (one) => one.metrics,
    () => undefined,
  );
  return {
    collector,
    checks: [health, ...clients, ...canaries, ...routes],
    routes,
    before: before instanceof Error ? undefined : before,
    after,
  };
}

/** "clickhouse traces"; an exporter that is named for its signal needs no second name. */
function routeName({ exporter, signal }: Route): string {
  return `${exporter.replace(`/${signal}`, "")} ${signal}`;
}

function endpointChecks(client: CollectorClient, spans: Promise<void>, others: Promise<void>) {
  const taken = (what: string, port: number) => `${what} taken on ${client.address(port)}`;
  return Promise.all([
    check("OTLP gRPC", async () => (await spans, taken("a span was", 4317))),
    check("OTLP HTTP", async () => (await others, taken("a metric and a log were", 4318))),
  ]);
}

async function explained(
  detail: string,
  route: Route,
  atMs: number,
  container: ObservedContainer | undefined,
  context: Context,
): Promise<string> {
  if (container === undefined) return detail;
  const words = await exporterWords(route, container.id, atMs, context);
  return words === undefined ? detail : `${detail}; ${words}`;
}
