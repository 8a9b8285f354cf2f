import type { Lookup } from "../settings/fillSettings.ts";
import { hasProxy } from "../settings/hasProxy.ts";

type Profile = "clickhouse" | "signoz" | "file";

export interface Choice {
  readonly profile: Profile;
  /** The fragments of otel/ it is composed from, in order. */
  readonly fragments: readonly string[];
  /** Why this profile. */
  readonly cause: string;
  /** Why each fragment is there. */
  readonly causes: Readonly<Record<string, string>>;
}

/**
 * Which backend the telemetry goes to, by the rule of the original start script: ClickHouse where
 * its endpoint and password are set, else SigNoz where its endpoint and key are, else files. Datadog
 * is added to ClickHouse; dev and development keep files too. The order is the pipelines': what
 * takes out comes before what samples, and batches are made last.
 */
export function chooseProfile(environment: string, lookup: Lookup): Choice {
  const value = (name: string) => lookup(name)?.value ?? "";
  const isSet = (...names: readonly string[]) => names.every((name) => value(name) !== "");
  const clickHouse = isSet("CLICKHOUSE_ENDPOINT", "CLICKHOUSE_PASSWORD");
  const signoz = !clickHouse && isSet("SIGNOZ_ENDPOINT", "SIGNOZ_INGESTION_KEY");
  const profile = clickHouse ? "clickhouse" : signoz ? "signoz" : "file";
  const cause = {
    clickhouse: "CLICKHOUSE_ENDPOINT and CLICKHOUSE_PASSWORD are set",
    signoz: "SIGNOZ_ENDPOINT and SIGNOZ_INGESTION_KEY are set",
    file: "no backend is set",
  }[profile];
  const away = profile !== "file";
  const local = environment === "dev" || environment === "development";
  const datadog = clickHouse && isSet("DD_API_KEY");
  const logFile = value("OTEL_LOG_FILE") === "true";
  const sampled = isSet("OTEL_SAMPLING_PERCENT") && Number(value("OTEL_SAMPLING_PERCENT")) < 100;
  const fileCause = away ? `${environment} keeps files too` : cause;

  const table: readonly (readonly [fragment: string, chosen: boolean, cause: string])[] = [
    ["base", true, "every profile begins with it"],
    ["queue", away || logFile, away ? "what leaves the machine is queued" : "offsets are retained"],
    ["clickhouse", clickHouse, cause],
    ["signoz", signoz, cause],
    ["signoz-plain", signoz && value("SIGNOZ_ENDPOINT").startsWith("http://"), "it says http://"],
    ["datadog", datadog, "DD_API_KEY is set, in addition to ClickHouse"],
    ["datadog-site", datadog && isSet("DD_SITE"), "DD_SITE is set"],
    ["datadog-intake", datadog && isSet("DD_URL"), "DD_URL is set"],
    ["file", !away || local, fileCause],
    ["own", away, "a backend can show the collector's own metrics"],
    ["logs", logFile, "OTEL_LOG_FILE is true"],
    [
      "access",
      logFile && hasProxy(environment, value("PROXY")),
      "OTEL_LOG_FILE is true, and there is a proxy",
    ],
    ["privacy", isSet("OTEL_REMOVED_ATTRIBUTES"), "OTEL_REMOVED_ATTRIBUTES is set"],
    ["sampling", sampled, `OTEL_SAMPLING_PERCENT is ${value("OTEL_SAMPLING_PERCENT")}`],
    ["batch", true, "every profile ends with it"],
  ];
  const chosen = table.filter((row) => row[1]);
  return {
    profile,
    fragments: chosen.map(([fragment]) => fragment),
    cause,
    causes: Object.fromEntries(chosen.map(([fragment, , why]) => [fragment, why])),
  };
}
