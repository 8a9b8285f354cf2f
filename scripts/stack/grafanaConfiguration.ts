import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { Lookup } from "../settings/readSettings.ts";

/** The files of otel/grafana/ by their names under `configs` in compose/grafana.yaml. */
export const grafanaFiles = {
  grafana_datasources: "provisioning/datasources.yaml",
  grafana_dashboards: "provisioning/dashboards.yaml",
  grafana_alerts: "alerts/collector.yaml",
  grafana_dashboard_server: "dashboards/server.json",
  grafana_dashboard_agent: "dashboards/agent.json",
  grafana_dashboard_logs: "dashboards/logs.json",
  grafana_dashboard_collector: "dashboards/collector.json",
} as const;

/**
 * What Grafana is provisioned with. Only the data source knows settings: all other files have
 * `$` and `${}` of Grafana's own in them and stay as they are.
 * @param root the project's directory
 * @returns texts by their names under `configs`
 * @throws Problem SOURCE_INVALID where the data source names what is no setting of ClickHouse's
 */
export function grafanaConfiguration(root: string, lookup: Lookup): ReadonlyMap<string, string> {
  const texts = Object.entries(grafanaFiles).map(([name, file]): [string, string] => [
    name,
    readFileSync(join(root, "otel", "grafana", file), "utf8"),
  ]);
  const configs = new Map(texts);
  configs.set("grafana_datasources", fill(configs.get("grafana_datasources")!, lookup));
  return configs;
}

/** The plugin wants host, port and TLS one by one, the port as a number. */
function fill(text: string, lookup: Lookup): string {
  const value = (name: string) => lookup(name)?.value ?? "";
  const endpoint = new URL(value("CLICKHOUSE_ENDPOINT"));
  const secure = endpoint.protocol === "https:";
  const values: Readonly<Record<string, string>> = {
    CLICKHOUSE_HOST: endpoint.hostname,
    CLICKHOUSE_PORT: endpoint.port || (secure ? "443" : "80"),
    CLICKHOUSE_SECURE: String(secure),
    CLICKHOUSE_READER_USERNAME: value("CLICKHOUSE_READER_USERNAME"),
    CLICKHOUSE_DATABASE: value("CLICKHOUSE_DATABASE"),
  };
  return text.replace(/\$\{(\w*)\}/g, (_whole, name: string) => {
    const found = values[name];
    if (found !== undefined) return found;
    throw new Problem("SOURCE_INVALID", "Grafana's data source cannot be filled in", {
      details: [
        `otel/grafana/${grafanaFiles.grafana_datasources}: \${${name}}: expected one of ${Object.keys(values).join(", ")}`,
      ],
    });
  });
}
