import type { Settings } from "../settings/readSettings.ts";

/**
 * Whether a rollout may fail by its telemetry alone. A fast rollback does not wait for a sink, or
 * for a collector: the server that is needed now comes without them.
 */
export function telemetryCounts(settings: Settings, fast: boolean): boolean {
  return !fast && settings.get("TELEMETRY_REQUIRED") === "true";
}
