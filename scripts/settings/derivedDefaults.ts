import { byteSize } from "../common/byteSize.ts";
import type { SettingName } from "./settingDefinitions.ts";

/**
 * What settings are where they are unset and others say enough: the names in a bundled
 * ClickHouse, the reader of one outside, and where a bundled Grafana is reached.
 * @param get a setting as the layers have it, "" where it is unset
 */
export function derivedDefaults(
  get: (name: SettingName) => string,
): readonly (readonly [SettingName, string])[] {
  const grafana = [["GRAFANA_URL", `http://127.0.0.1:${get("GRAFANA_PUBLISH_PORT")}`]] as const;
  return [
    ...database(get),
    ...clickHouse(get),
    ...(get("GRAFANA_ENABLED") === "true" ? grafana : []),
  ];
}

/** Connections that the server leaves to the tool, to monitoring and to people. */
export const reservedConnections = 10;

/**
 * The bundled database's settings from its memory limit, and the server's connection pools from the
 * connections that the database takes: two servers side by side must fit in. Rules of thumb:
 * https://wiki.postgresql.org/wiki/Tuning_Your_PostgreSQL_Server.
 */
function database(get: (name: SettingName) => string): readonly [SettingName, string][] {
  if (get("LETTA_PG_URI") !== "") return [];
  const megabytes = Math.floor(byteSize(get("POSTGRES_MEMORY")) / 1024 ** 2);
  const between = (least: number, value: number, most: number) =>
    Math.floor(Math.min(Math.max(value, least), most));
  const workers = 2 * Number(get("LETTA_UVICORN_WORKERS") || 1);
  // Pools that a person has sized, and many workers, get the connections they need.
  const [sized, extra] = [get("LETTA_PG_POOL_SIZE"), get("LETTA_PG_MAX_OVERFLOW")];
  const least = Number(sized || 3) + Number(extra || (sized === "" ? 1 : 10));
  const needed = between(100, workers * least + reservedConnections, 500);
  const connections = Number(get("POSTGRES_MAX_CONNECTIONS") || needed);
  const each = Math.max(2, Math.floor((connections - reservedConnections) / workers));
  const overflow = Number(extra) || between(1, sized === "" ? each / 4 : each - Number(sized), 10);
  const inMegabytes = (value: number) => `${value}MB`;
  const maintenance = between(64, megabytes / 8, 2048);
  return [
    ["POSTGRES_MAX_CONNECTIONS", String(connections)],
    ["POSTGRES_SHARED_BUFFERS", inMegabytes(between(16, megabytes / 4, 16_384))],
    ["POSTGRES_EFFECTIVE_CACHE_SIZE", inMegabytes(between(32, (megabytes * 3) / 4, 1 << 20))],
    ["POSTGRES_WORK_MEM", inMegabytes(between(4, megabytes / (2 * connections), 64))],
    ["POSTGRES_MAINTENANCE_WORK_MEM", inMegabytes(maintenance)],
    ["POSTGRES_MAX_WAL_SIZE", inMegabytes(between(1024, megabytes, 8192))],
    ["POSTGRES_SHM_SIZE", `${between(128, maintenance * 1.25, 1 << 20)}m`],
    ["LETTA_DISABLE_SQLALCHEMY_POOLING", "false"],
    ["LETTA_PG_POOL_SIZE", String(between(1, each - overflow, 25))],
    ["LETTA_PG_MAX_OVERFLOW", String(overflow)],
  ];
}

function clickHouse(get: (name: SettingName) => string): readonly [SettingName, string][] {
  if (get("CLICKHOUSE_MODE") === "bundled") {
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
