import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery, Route } from "../collector/readDelivery.ts";
import type { CollectorDoor } from "./collectorDoor.ts";
import { collectorMetrics, type CollectorMetrics } from "./collectorMetrics.ts";
import { judgeRoute, type Verdict } from "./judgeRoute.ts";
import { readMetrics } from "./readMetrics.ts";

const pollMs = 200;
/** A busy machine is not a lost canary: dev's small batches alone would be given 7 s. */
const leastMs = 10_000;

/** What became of each route, and the collector's figures when that was known. */
export interface Watched {
  readonly verdicts: ReadonlyMap<Route, Verdict>;
  readonly metrics: CollectorMetrics;
}

/**
 * How long a canary may take through a route: it waits for a batch, once more where the
 * batch before it was just sent, and for one delivery.
 */
export function routeLimitMs({ timeoutMs }: Pick<Route, "timeoutMs">, { batchMs }: Delivery) {
  return Math.max(leastMs, 2 * batchMs + timeoutMs);
}

/** @throws Error where the collector does not show its own metrics */
export async function scrape(door: CollectorDoor): Promise<CollectorMetrics> {
  const reply = await door.ask(8888, "/metrics");
  if (reply.status !== 200) throw new Error(`/metrics answered ${reply.status}`);
  return collectorMetrics(readMetrics(reply.body));
}

/**
 * Follows the collector's own figures until every exporter got rid of what was sent, or
 * cannot any more, or its time is over.
 * @param before the figures of the moment before it was sent
 * @throws Error where they cannot be had to the end; a collector that starts again is judged
 */
export async function watchRoutes(
  door: CollectorDoor,
  delivery: Delivery,
  before: CollectorMetrics,
  now: () => number,
): Promise<Watched> {
  const started = now();
  const isOpen = (route: Route) => now() - started < routeLimitMs(route, delivery);
  for (;;) {
    const metrics = await scrape(door).catch((error: Error) => error);
    if (metrics instanceof Error) {
      if (!delivery.routes.some(isOpen)) throw metrics;
    } else {
      const verdicts = new Map(
        delivery.routes.map((route) => [route, judgeRoute(route, before, metrics)] as const),
      );
      const waits = [...verdicts].some(
        ([route, { state }]) => state === "waiting" && isOpen(route),
      );
      if (!waits) return { verdicts, metrics };
    }
    await sleep(pollMs);
  }
}
