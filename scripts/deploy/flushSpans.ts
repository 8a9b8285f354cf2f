import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../state/context.ts";
import { batchDelayMs } from "../stack/batchDelayMs.ts";
import type { StackService } from "../stack/readServices.ts";

/** From a batch that is due to one that has arrived. */
const sendMs = 500;

/**
 * For how long a server without requests is left to send the spans of its last requests:
 * it sends them so often, and not once more when it stops (uvicorn ends by the signal).
 * @returns milliseconds, never more than it gets to stop
 */
export function flushSpansMs(server: Pick<StackService, "environment" | "graceSeconds">): number {
  return Math.min(batchDelayMs(server) + sendMs, server.graceSeconds * 1000);
}

/** Waits for that long, or until the run is aborted. */
export async function flushSpans(
  server: StackService,
  context: Pick<Context, "signal">,
): Promise<void> {
  await sleep(flushSpansMs(server), undefined, { signal: context.signal });
}
