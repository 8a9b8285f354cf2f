import { listSteps } from "../collector/listSteps.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * What another version of the collector brings with it, as a plan tells it: each step with its
 * source, and what has to be done to ClickHouse's tables, by the tool or by hand.
 * @param from the version that runs; "" where none does
 * @param settings of what is to run
 */
export function describeCollector(from: string, settings: Settings): string[] {
  const to = settings.get("OTEL_VERSION");
  if (from === "" || from === to) return [];
  const steps = listSteps(from, to);
  const sql = settings.has("CLICKHOUSE_ENDPOINT") ? steps.flatMap((one) => one.sql) : [];
  const bundled = settings.get("CLICKHOUSE") === "bundled";
  const tables = bundled
    ? [`  ClickHouse's tables are altered before it starts: ${sql.length} statements`]
    : [
        `  first, on ClickHouse's database ${settings.get("CLICKHOUSE_DATABASE")}:`,
        ...sql.map((one) => `    ${one};`),
      ];
  return [
    `collector ${from} → ${to}: its queue is drained and copied before`,
    ...steps.map((one) => `  ${one.version}: ${one.about} (${one.source})`),
    ...(sql.length > 0 ? tables : []),
  ];
}
