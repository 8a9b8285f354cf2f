import { setTimeout as sleep } from "node:timers/promises";
import { readDelivery } from "../stack/readDelivery.ts";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import { collectorClient } from "../checks/collectorClient.ts";
import { scrape } from "../checks/watchRoutes.ts";
import type { Context } from "../state/context.ts";

const pollMs = 250;
const busybox = "/probe/busybox";
const queue = "/var/lib/otelcol/queue";

/** Copies the queue next to itself, completely or not at all; what an earlier copy held goes. */
const copy = `[ -d ${queue} ] || exit 0
"$0" rm -rf ${queue}.copying && "$0" cp -a ${queue} ${queue}.copying || exit 1
"$0" rm -rf ${queue}.before && "$0" mv ${queue}.copying ${queue}.before`;

/**
 * Before another version of the collector takes over its queue's files: waits until nothing
 * waits in them, and keeps a copy, for the case that the other version cannot read them.
 * @param limitSeconds how long its sinks have to take what waits
 * @param insists false where telemetry does not count: what still waits is left to the other version
 * @throws Problem STEP_FAILED where something still waits and that matters
 */
export async function drainCollector(
  collector: ObservedContainer,
  limitSeconds: number,
  insists: boolean,
  context: Context,
): Promise<void> {
  const client = collectorClient(collector.service, new Map(), collector, context.engine);
  const { stdout: configuration } = await context.engine.exec(collector.id, [
    busybox,
    "cat",
    "/etc/otelcol-contrib/config.yaml",
  ]);
  const { routes } = readDelivery(configuration);
  const waiting = async () => {
    const metrics = await scrape(client);
    return routes
      .map((one) => ({ ...one, queued: metrics.exported(one.exporter, one.signal).queued }))
      .filter((one) => one.queued > 0);
  };
  await context.reporter.step("drain the collector's queue", async (report) => {
    const started = context.now();
    for (;;) {
      context.signal.throwIfAborted();
      const left = await waiting();
      if (left.length === 0) break;
      const reported = left.map((one) => `${one.exporter} ${one.signal}: ${one.queued}`).join(", ");
      if (context.now() - started > limitSeconds * 1000) {
        if (!insists) break;
        throw new Problem("STEP_FAILED", "the collector's queue does not empty: its sink is away", {
          details: [`batches that wait: ${reported}`],
          next: "npm run doctor, and again when the sink takes data",
        });
      }
      report(reported);
      await sleep(pollMs);
    }
    const { code, stderr } = await context.engine.exec(collector.id, [
      busybox,
      "sh",
      "-c",
      copy,
      busybox,
    ]);
    if (code !== 0) {
      throw new Problem("STEP_FAILED", "the collector's queue could not be copied", {
        details: [stderr.trim()],
      });
    }
  });
}
