import { setTimeout as sleep } from "node:timers/promises";
import type { Tools } from "../parts/tools.ts";
import { gathersMs } from "../stack/gathersMs.ts";
import type { StackService } from "../stack/readServices.ts";

/** From a batch that is due to one that has arrived. */
const sendMs = 500;

/**
 * For how long a server that nobody asks any more is left to send the spans of what it was asked:
 * it sends them so often, and not once more when it stops (uvicorn ends by the signal).
 * @returns milliseconds, never more than it gets to stop
 */
export function lastSpansMs(server: Pick<StackService, "environment" | "graceSeconds">): number {
  return Math.min(gathersMs(server) + sendMs, server.graceSeconds * 1000);
}

/** Waits for that long, or until somebody wants to end. */
export async function lastSpans(server: StackService, tools: Pick<Tools, "signal">): Promise<void> {
  await sleep(lastSpansMs(server), undefined, { signal: tools.signal });
}
