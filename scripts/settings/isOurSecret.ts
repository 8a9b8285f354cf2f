import type { SettingName } from "./settingDefinitions.ts";

/** Whether the part that a password belongs to is in the stack at all. */
export function isOurSecret(name: SettingName, get: (name: SettingName) => string): boolean {
  if (name === "LETTA_PG_PASSWORD") return get("LETTA_PG_URI") === "";
  if (name.startsWith("CLICKHOUSE_")) return get("CLICKHOUSE_MODE") === "bundled";
  return !name.startsWith("GRAFANA_") || get("GRAFANA_ENABLED") === "true";
}
