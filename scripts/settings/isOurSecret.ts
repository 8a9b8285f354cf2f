import type { SettingName } from "./declarations.ts";

/** Whether the part that a password belongs to is in the stack at all. */
export function isOurSecret(name: SettingName, get: (name: SettingName) => string): boolean {
  if (name === "LETTA_PG_PASSWORD") return get("LETTA_PG_URI") === "";
  if (name.startsWith("CLICKHOUSE_")) return get("CLICKHOUSE") === "bundled";
  return !name.startsWith("GRAFANA_") || get("GRAFANA") === "true";
}
