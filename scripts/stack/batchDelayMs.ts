import type { StackService } from "./readServices.ts";

/** OpenTelemetry's own default. */
const usualMs = 5000;

/** For how long a server gathers spans before it sends them, in milliseconds. */
export function batchDelayMs(server: Pick<StackService, "environment"> | undefined): number {
  return Number(server?.environment["OTEL_BSP_SCHEDULE_DELAY"] || usualMs);
}
