import type { Route } from "../collector/readDelivery.ts";
import type { CollectorMetrics } from "./collectorMetrics.ts";

/** How far a canary's way through one exporter is. */
export type Verdict =
  | { readonly state: "delivered"; readonly detail: string }
  /** Not yet; what is missing becomes the failure once the time is over. */
  | { readonly state: "waiting"; readonly detail: string }
  /** Nothing that still comes can make it good. */
  | { readonly state: "lost" | "restarted"; readonly detail: string };

/**
 * Whether an exporter has got rid of what was sent between two looks at the collector, and
 * lost nothing: health alone stays green over a sink that takes nothing.
 */
export function judgeRoute(
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
