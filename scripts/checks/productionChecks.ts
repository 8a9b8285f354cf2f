import type { Delivery } from "../stack/readDelivery.ts";
import { check, type Check } from "./check.ts";
import type { CollectorMetrics } from "./collectorClient.ts";
import type { CollectorVerification } from "./checkTelemetryFlow.ts";

/** Above this share of its container's memory the kernel's limit is near. */
const memoryShare = 0.8;

/** What a collector showed during its verification. */
interface Figures {
  /** Said before each finding, where there are several collectors. */
  readonly name: string;
  readonly limit: number;
  readonly before: CollectorMetrics | undefined;
  readonly after: CollectorMetrics | undefined;
}

/**
 * What an operator asks of a collector in production, by name, checked from what its verification saw.
 * @param health asks its health endpoint
 */
export function productionChecks(
  verifications: readonly CollectorVerification[],
  delivery: Delivery,
  health: () => Promise<string>,
): Promise<Check[]> {
  const figures = verifications.map(({ collector, before, after }): Figures => {
    const name = verifications.length > 1 ? `${collector.service}: ` : "";
    return { name, limit: collector.memoryLimit, before, after };
  });
  return Promise.all([
    check("exporters sending", () => exportersSending(verifications)),
    check("health endpoint", health),
    check("memory within limit", () =>
      ofEach(figures, (one) => memoryWithin(one.limit, shown(one.after))),
    ),
    check("batch processing", () => {
      if (delivery.batchSize === 0) return { skipped: "this profile gathers no batches" };
      return ofEach(figures, (one) => batching(delivery, one));
    }),
    check("Datadog reporting", () => datadogReporting(delivery, figures)),
    check("failover and retry", () => ({ skipped: "only with --failover" })),
  ]);
}

/** What was seen of every collector; the first that is not as it should be is named. */
function ofEach(figures: readonly Figures[], look: (one: Figures) => string): string {
  const seen = figures.map((one) => {
    try {
      return one.name + look(one);
    } catch (error) {
      throw new Error(one.name + (error as Error).message, { cause: error });
    }
  });
  return seen.join(", ");
}

function shown(metrics: CollectorMetrics | undefined): CollectorMetrics {
  if (metrics === undefined) throw new Error("expected the collector's own metrics, got none");
  return metrics;
}

/** How much a figure grew during the verification: nothing can be said of one that began anew. */
function growth(of: (metrics: CollectorMetrics) => number, one: Figures): number {
  const [before, after] = [shown(one.before), shown(one.after)];
  if ((after.uptimeSeconds ?? 0) < (before.uptimeSeconds ?? 0)) {
    throw new Error("expected a collector that stays up, it started again");
  }
  return of(after) - of(before);
}

function exportersSending(verifications: readonly CollectorVerification[]): string {
  const routes = verifications.flatMap((one) => one.routes);
  const silent = routes.filter((one) => one.outcome !== "passed");
  if (routes.length === 0) throw new Error("expected an exporter, got none");
  if (silent.length > 0) {
    const names = silent.map((one) => one.name).join(", ");
    throw new Error(`${silent.length} of ${routes.length} do not deliver: ${names}`);
  }
  return routes.map((one) => one.name).join(", ");
}

function memoryWithin(limit: number, { residentBytes }: CollectorMetrics): string {
  if (residentBytes === undefined) throw new Error("expected its resident memory, it tells none");
  const used = `${mebibytes(residentBytes)} MiB`;
  if (limit === 0) throw new Error(`expected a memory limit, got none (${used} in use)`);
  const share = `${Math.round((residentBytes / limit) * 100)} % of ${mebibytes(limit)} MiB`;
  if (residentBytes < memoryShare * limit) return `${used}, ${share}`;
  throw new Error(`expected less than ${memoryShare * 100} % in use, got ${used}, ${share}`);
}

/** A batch is closed by the request that fills it, so it may hold that one's items too. */
function batching({ batchMs, batchSize, batchMaximum }: Delivery, figures: Figures): string {
  const sent = growth((one) => one.batches.sent, figures);
  if (sent < 1)
    throw new Error(`expected 1 batch or more sent during the verification, got ${sent}`);
  const { items, sent: all, byTimeout, bySize } = shown(figures.after).batches;
  const average = items / all;
  const most = batchMaximum || 2 * batchSize;
  const size = `${average.toFixed(1)} items each of at most ${batchMaximum || batchSize}`;
  if (average > most) throw new Error(`expected smaller batches, got ${size}`);
  return `${all} sent (${byTimeout} after ${batchMs / 1000} s, ${bySize} full), ${size}`;
}

function datadogReporting(
  delivery: Delivery,
  figures: readonly Figures[],
): string | { skipped: string } {
  const routes = delivery.routes.filter((one) => /^datadog(?:\/|$)/.test(one.exporter));
  const metrics = routes.find((one) => one.signal === "metrics");
  if (routes.length === 0) return { skipped: "DD_API_KEY is not set" };
  if (metrics === undefined) throw new Error("expected metrics to go to Datadog, they do not");
  const total = (of: (metrics: CollectorMetrics) => number) =>
    figures.reduce((sum, one) => sum + growth(of, one), 0);
  const points = total((one) => one.exported(metrics.exporter, "metrics").sent);
  const failed = routes.reduce((sum, { exporter, signal }) => {
    const counts = (one: CollectorMetrics) => one.exported(exporter, signal);
    return sum + total((one) => counts(one).failed + counts(one).notQueued);
  }, 0);
  const seen = `${points} metric points sent, ${failed} items failed`;
  if (points < 1 || failed > 0) throw new Error(`expected points and no failure, got ${seen}`);
  return seen;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
