import type { SettingName } from "../settings/readSettings.ts";
import { failed, passed, skipped, type Finding, type CheckResult } from "./runCheck.ts";

/** What is asked about an environment's exporters. */
export interface ExporterSettings {
  readonly environment: string;
  /** Where telemetry goes by these settings. */
  readonly profile: "clickhouse" | "signoz" | "file";
  /** A setting, "" where it is unset. */
  readonly get: (name: SettingName) => string;
}

const ends = { clickhouse: "ClickHouse", signoz: "SigNoz", file: "files" } as const;

/**
 * Whether what each exporter needs is set together: half of it makes the telemetry go somewhere
 * else, without a word.
 */
export function checkTelemetrySettings(input: ExporterSettings): Finding[] {
  return [
    { name: "ClickHouse settings", ...clickHouse(input) },
    { name: "SigNoz settings", ...signoz(input) },
    { name: "Datadog settings", ...datadog(input) },
  ];
}

function clickHouse({ profile, get, ...input }: ExporterSettings): CheckResult {
  const names = [
    "CLICKHOUSE_ENDPOINT",
    "CLICKHOUSE_DATABASE",
    "CLICKHOUSE_USERNAME",
    "CLICKHOUSE_PASSWORD",
  ] as const;
  const half = halfSet(names, { profile, get, ...input });
  if (half !== undefined) return half;
  const [endpoint, database, writer] = names.map(get);
  const reader = get("CLICKHOUSE_READER_USERNAME");
  return passed(`${writer} writes to ${database} at ${endpoint}, ${reader} reads`);
}

function signoz(input: ExporterSettings): CheckResult {
  const half = halfSet(["SIGNOZ_ENDPOINT", "SIGNOZ_INGESTION_KEY"], input);
  if (half !== undefined) return half;
  if (input.profile === "clickhouse") return skipped("ClickHouse is set too, and comes first");
  return passed(input.get("SIGNOZ_ENDPOINT"));
}

function datadog({ profile, get, environment }: ExporterSettings): CheckResult {
  const others = (["DD_SITE", "DD_URL"] as const).filter((name) => get(name) !== "");
  if (get("DD_API_KEY") === "") {
    if (others.length === 0) return skipped("DD_API_KEY is not set");
    const detail = `DD_API_KEY: expected a key, as ${others.join(" and ")} is set`;
    return failed(detail, explain(environment, "DD_API_KEY"));
  }
  if (profile !== "clickhouse") {
    const detail = `Datadog works only in addition to ClickHouse, and telemetry goes to ${ends[profile]}`;
    return failed(detail, explain(environment, "CLICKHOUSE_ENDPOINT"));
  }
  return passed(get("DD_URL") || `the site ${get("DD_SITE") || "datadoghq.com"}`);
}

/** @returns undefined where all of them are set */
function halfSet(
  names: readonly SettingName[],
  { get, profile, environment }: ExporterSettings,
): CheckResult | undefined {
  const set = names.filter((name) => get(name) !== "");
  const [missing, ...others] = names.filter((name) => get(name) === "");
  if (missing === undefined) return undefined;
  if (set.length === 0) return skipped(`none is set: telemetry goes to ${ends[profile]}`);
  const all = [missing, ...others].join(", ");
  const detail = `${all}: expected a value, as ${set.join(", ")} is set; now telemetry goes to ${ends[profile]}`;
  return failed(detail, explain(environment, missing));
}

function explain(environment: string, name: SettingName): string {
  return `npm run settings -- ${environment} --explain ${name}`;
}
