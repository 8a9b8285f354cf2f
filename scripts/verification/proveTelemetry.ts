import type { Route, Signal } from "../collector/readDelivery.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import { canary, sendOverGrpc, sendOverHttp, sendSpansOverHttp } from "./canary.ts";
import { check, type Check, type Tools } from "./check.ts";
import { collectorDoor, type CollectorDoor } from "./collectorDoor.ts";
import { collectorHealthy } from "./collectorHealthy.ts";
import type { CollectorMetrics } from "./collectorMetrics.ts";
import type { ExpectedCollector, Expectation } from "./expectation.ts";
import { exporterWords } from "./exporterWords.ts";
import { readBack } from "./readBack.ts";
import { sinksOf, unreadable } from "./sinksOf.ts";
import { routeLimitMs, scrape, watchRoutes } from "./watchRoutes.ts";

/** How a collector did while its canaries were on their way. */
export interface CollectorProof {
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
 * Sends a canary of each signal through every collector's own doors, and follows it out
 * through each exporter and into each sink that can be read.
 */
export async function proveTelemetry(
  expected: Expectation,
  tools: Tools,
): Promise<CollectorProof[]> {
  const containers = await tools.engine.containers(expected.project);
  return Promise.all(
    expected.collectors.map((collector, index) =>
      proveCollector(
        expected,
        collector,
        containers.find((one) => one.service === collector.service),
        index === 0,
        tools,
      ),
    ),
  );
}

async function proveCollector(
  expected: Expectation,
  collector: ExpectedCollector,
  container: ObservedContainer | undefined,
  isDoor: boolean,
  tools: Tools,
): Promise<CollectorProof> {
  const { service, published } = collector;
  const { delivery } = expected;
  const door = collectorDoor(service, published, container, tools.engine);
  const before = await scrape(door).catch((error: Error) => error);
  const sent = canary(tools.randomId());
  const atMs = tools.now();
  const spans = isDoor
    ? sendOverGrpc(expected.grpcPort, sent, atMs)
    : sendSpansOverHttp(door, sent.trace, [sent.trace.slice(0, 16)], atMs);
  const others = sendOverHttp(door, sent, atMs);
  const taken = { traces: spans, metrics: others, logs: others } as const;
  const watched = Promise.allSettled([spans, others]).then(async () => {
    if (before instanceof Error) throw new Error(`its own metrics: ${before.message}`);
    return watchRoutes(door, delivery, before, tools.now);
  });
  // Each check waits for what it needs; what nobody waits for has failed elsewhere.
  for (const one of [spans, others, watched]) one.catch(() => undefined);
  const prefix = isDoor ? "" : `${service} `;
  const arrives = async (signal: Signal, what: string) => {
    await taken[signal];
    const sinks = sinksOf(expected, signal, container, tools);
    if (sinks.length === 0) return { skipped: unreadable(expected, signal) };
    const limits = delivery.routes.map((one) => routeLimitMs(one, delivery));
    return readBack(sinks, { what, by: "name", sinceMs: atMs }, Math.max(...limits), tools.now);
  };
  const [health, doors, canaries, routes] = await Promise.all([
    check(`${prefix || "collector "}healthy`, () => collectorHealthy(door)),
    isDoor ? doorChecks(door, spans, others) : [],
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
          throw new Error(await explained(verdict.detail, route, atMs, container, tools));
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
    checks: [health, ...doors, ...canaries, ...routes],
    routes,
    before: before instanceof Error ? undefined : before,
    after,
  };
}

/** "clickhouse traces"; an exporter that is named for its signal needs no second name. */
function routeName({ exporter, signal }: Route): string {
  return `${exporter.replace(`/${signal}`, "")} ${signal}`;
}

function doorChecks(door: CollectorDoor, spans: Promise<void>, others: Promise<void>) {
  const taken = (what: string, port: number) => `${what} taken on ${door.address(port)}`;
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
  tools: Tools,
): Promise<string> {
  if (container === undefined) return detail;
  const words = await exporterWords(route, container.id, atMs, tools);
  return words === undefined ? detail : `${detail}; ${words}`;
}
