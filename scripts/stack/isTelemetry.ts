import { isCollector } from "./isCollector.ts";

/** Whether a service is there for the telemetry alone: the server answers without it. */
export function isTelemetry(service: string): boolean {
  return isCollector(service) || service === "clickhouse" || service === "grafana";
}
