import { readFileSync } from "node:fs";
import { collectorMetrics, readMetrics } from "../../scripts/checks/collectorClient.ts";

/** Of what was recorded, the exporter that leaves the machine. */
export const recordedExporters = { "0.96.0": "clickhouse", "0.161.0": "otlp/signoz" } as const;
export type RecordedVersion = keyof typeof recordedExporters;

/**
 * What a real collector of dev said of itself around one canary of each signal; stuck: twelve
 * seconds after, with a sink that it could not reach (0.161.0 only).
 */
export function recorded(version: RecordedVersion, moment: "before" | "after" | "stuck") {
  const file = new URL(`metrics/${version}-${moment}.txt`, import.meta.url);
  return collectorMetrics(readMetrics(readFileSync(file, "utf8")));
}
