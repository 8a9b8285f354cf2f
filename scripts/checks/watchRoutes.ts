import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery, Route } from "../stack/readDelivery.ts";
import {
  type CollectorClient,
  collectorMetrics,
  type CollectorMetrics,
  readMetrics,
} from "./collectorClient.ts";

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
export async function scrape(client: CollectorClient): Promise<CollectorMetrics> {
  const reply = await client.ask(8888, "/metrics");
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
  client: CollectorClient,
  delivery: Delivery,
  before: CollectorMetrics,
  now: () => number,
): Promise<Watched> {
  const started = now();
  const isOpen = (route: Route) => now() - started < routeLimitMs(route, delivery);
  for (;;) {
    const metrics = await scrape(client).catch((error: Error) => error);
    if (metrics instanceof Error) {
      if (!delivery.routes.some(isOpen)) throw metrics;
    } else {
      const verdicts = new Map(
        delivery.routes.map((route) => [route, checkRoute(route, before, metrics)] as const),
      );
      const waits = [...verdicts].some(
        ([route, { state }]) => state === "waiting" && isOpen(route),
      );
      if (!waits) return { verdicts, metrics };
    }
    await sleep(pollMs);
  }
}

/** How far a canary's way through one exporter is. */
type Verdict =
  | { readonly state: "delivered"; readonly detail: string }
  /** Not yet; what is missing becomes the failure once the time is over. */
  | { readonly state: "waiting"; readonly detail: string }
  /** Nothing that still comes can make it good. */
  | { readonly state: "lost" | "restarted"; readonly detail: string };

/**
 * Whether an exporter has got rid of what was sent between two looks at the collector, and
 * lost nothing: health alone stays green over a sink that takes nothing.
 */
export function checkRoute(
  { exporter, signal }: Route,
  before: CollectorMetrics,
  now: CollectorMetrics,
): Verdict {
  if ((now.uptimeSeconds ?? 0) < (before.uptimeSeconds ?? 0)) {
    const up = [before, now].map((one) => `up ${(one.uptimeSeconds ?? 0).toFixed(1)} s`);
    const detail = `expected a collector that stays up, it started again (${up.join(", then ")})`;
    return { state: "restarted", detail };
  }
  const [then, here] = [before.exported(exporter, signal), now.exported(exporter, signal)];
  const [sent, failed] = [here.sent - then.sent, here.failed - then.failed];
  const notQueued = here.notQueued - then.notQueued;
  const refused = now.refused(signal) - before.refused(signal);
  if (failed > 0 || notQueued > 0 || refused > 0) {
    const counts = `${failed} failed, ${notQueued} found no place in the queue, ${refused} refused`;
    return { state: "lost", detail: `expected none lost, got ${counts} (${sent} sent)` };
  }
  if (sent < 1) {
    const waits = here.queued > 0 ? ` (queue ${here.queued})` : "";
    return { state: "waiting", detail: `expected 1 or more sent, got ${sent}${waits}` };
  }
  if (here.queued > then.queued) {
    const detail = `expected a queue of ${then.queued} or less as before, got ${here.queued} (${sent} sent)`;
    return { state: "waiting", detail };
  }
  return { state: "delivered", detail: `${sent} sent, 0 failed, 0 refused, queue ${here.queued}` };
}
