import type { Lookup } from "../settings/fillSettings.ts";

type Profile = "clickhouse" | "signoz" | "file";

export interface Choice {
  readonly profile: Profile;
  /** The fragments of otel/ it is composed from, in order. */
  readonly fragments: readonly string[];
  readonly cause: string;
}

/**
 * Which backend the telemetry goes to, by the rule of the original start script:
 * ClickHouse where its endpoint and password are set, else SigNoz where its endpoint and
 * key are, else files. Datadog goes beside ClickHouse; dev and development keep files too.
 */
export function chooseProfile(environment: string, lookup: Lookup): Choice {
  const isSet = (name: string) => (lookup(name)?.value ?? "") !== "";
  const local = environment === "dev" || environment === "development";
  if (isSet("CLICKHOUSE_ENDPOINT") && isSet("CLICKHOUSE_PASSWORD")) {
    const datadog = isSet("DD_API_KEY") ? ["datadog"] : [];
    const files = local ? ["file"] : [];
    return {
      profile: "clickhouse",
      fragments: ["base", "queue", "clickhouse", ...datadog, ...files],
      cause: "CLICKHOUSE_ENDPOINT and CLICKHOUSE_PASSWORD are set",
    };
  }
  if (isSet("SIGNOZ_ENDPOINT") && isSet("SIGNOZ_INGESTION_KEY")) {
    return {
      profile: "signoz",
      fragments: ["base", "queue", "signoz", ...(local ? ["file"] : [])],
      cause: "SIGNOZ_ENDPOINT and SIGNOZ_INGESTION_KEY are set",
    };
  }
  return { profile: "file", fragments: ["base", "file"], cause: "no backend is set" };
}
