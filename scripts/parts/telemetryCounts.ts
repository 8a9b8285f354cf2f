import type { Settings } from "../settings/readSettings.ts";

/**
 * Whether a rollout may fail by its telemetry alone. In an incident nobody waits for a sink, or
 * for a collector: the server that is needed now comes without them.
 */
export function telemetryCounts(settings: Settings, incident: boolean): boolean {
  return !incident && settings.get("TELEMETRY_REQUIRED") === "true";
}
