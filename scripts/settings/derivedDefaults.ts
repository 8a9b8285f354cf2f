import type { SettingName } from "./declarations.ts";

/**
 * What settings are where nobody set them and others say enough: the names in a bundled
 * ClickHouse, the reader of one outside, and where a bundled Grafana is reached.
 * @param get a setting as the layers have it, "" where it is unset
 */
export function derivedDefaults(
  get: (name: SettingName) => string,
): readonly (readonly [SettingName, string])[] {
  const grafana = [["GRAFANA_URL", `http://127.0.0.1:${get("GRAFANA_PUBLISH_PORT")}`]] as const;
  return [...clickHouse(get), ...(get("GRAFANA") === "true" ? grafana : [])];
}

function clickHouse(get: (name: SettingName) => string): readonly [SettingName, string][] {
  if (get("CLICKHOUSE") === "bundled") {
    return [
      ["CLICKHOUSE_ENDPOINT", "http://clickhouse:8123"],
      ["CLICKHOUSE_DATABASE", "otel"],
      ["CLICKHOUSE_USERNAME", "otel_writer"],
      ["CLICKHOUSE_READER_USERNAME", "otel_reader"],
    ];
  }
  if (get("CLICKHOUSE_ENDPOINT") === "") return [];
  return [
    ["CLICKHOUSE_READER_USERNAME", get("CLICKHOUSE_USERNAME")],
    ["CLICKHOUSE_READER_PASSWORD", get("CLICKHOUSE_PASSWORD")],
  ];
}
