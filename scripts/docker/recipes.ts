import type { Lookup } from "../settings/fillSettings.ts";

/** A role whose image can be built from package registries alone. */
export interface Recipe {
  readonly role: string;
  /** The setting that names the official image. */
  readonly setting: string;
  /** The official image's repository: what is built here stands for it, and for no other. */
  readonly repository: string;
  readonly target?: string;
  /** The official image's tag, where a setting of its own says it. */
  readonly officialVersion?: string;
  /** The versions that can be built here, each from a folder of its own; any where it is unset. */
  readonly sources?: readonly string[];
  /** Why this one cannot be built here. */
  readonly unbuildable?: string;
  /** Part of the tag for people to read. */
  readonly version: string;
  readonly arguments: Readonly<Record<string, string>>;
}

/** Versions of what only our own builds use; the parts' own versions are settings. */
const versions = { postgres: "17", uv: "0.13.8", caddy: "2.11.7", chdb: "4.4.0" } as const;

/** Versions of the collector with a folder in docker/collector/, and the parts they can have. */
const collectors: Readonly<Record<string, readonly string[]>> = {
  "0.96.0": ["datadog", "prometheus"],
  "0.161.0": ["prometheus"],
};

/** The base that every recipe stands on: made by docker/base/rootfs.sh, not by a Dockerfile. */
export const baseRole = "base";

/**
 * How each role of docker/ is built for these settings.
 * @param environment development builds the server's development target
 */
export function recipes(environment: string, lookup: Lookup): readonly Recipe[] {
  const value = (name: string) => lookup(name)?.value ?? "";
  const letta = value("LETTA_VERSION");
  const otel = value("OTEL_VERSION");
  // Both cost more than all the rest of the collector's build: only where something needs them.
  const isSet = (name: string) => value(name) !== "";
  const tags = [
    ...(isSet("DD_API_KEY") ? ["datadog"] : []),
    ...(isSet("CLICKHOUSE_ENDPOINT") || isSet("SIGNOZ_ENDPOINT") ? ["prometheus"] : []),
  ];
  const target = environment === "development" ? "development" : "runtime";
  return [
    {
      role: "probe",
      setting: "BUSYBOX_IMAGE",
      repository: "busybox",
      version: "busybox",
      arguments: {},
    },
    {
      role: "postgres",
      setting: "POSTGRES_IMAGE",
      repository: "pgvector/pgvector",
      version: versions.postgres,
      arguments: { POSTGRES_MAJOR: versions.postgres },
    },
    {
      role: "letta",
      setting: "LETTA_IMAGE",
      repository: "letta/letta",
      target,
      officialVersion: letta,
      version: target === "runtime" ? letta : `${letta}-${target}`,
      arguments: { LETTA_VERSION: letta, UV_VERSION: versions.uv },
    },
    {
      role: "collector",
      setting: "COLLECTOR_IMAGE",
      repository: "otel/opentelemetry-collector-contrib",
      officialVersion: otel,
      sources: Object.keys(collectors),
      ...unbuildable(otel, tags),
      version: [otel, ...tags].join("-"),
      arguments: { OTEL_VERSION: otel, OTEL_BUILD_TAGS: tags.join(",") },
    },
    {
      role: "proxy",
      setting: "PROXY_IMAGE",
      repository: "caddy",
      version: versions.caddy,
      arguments: { CADDY_VERSION: versions.caddy },
    },
    {
      role: "clickhouse",
      setting: "CLICKHOUSE_IMAGE",
      repository: "clickhouse/clickhouse-server",
      version: versions.chdb,
      arguments: { CHDB_VERSION: versions.chdb },
    },
    {
      role: "grafana",
      setting: "GRAFANA_IMAGE",
      repository: "grafana/grafana",
      version: "none",
      arguments: {},
      unbuildable: "it comes from an image registry only; GRAFANA_ENABLED=false leaves it out",
    },
  ];
}

function unbuildable(version: string, tags: readonly string[]): Pick<Recipe, "unbuildable"> {
  const fitting = Object.keys(collectors).filter((one) =>
    tags.every((tag) => collectors[one]?.includes(tag)),
  );
  if (fitting.includes(version)) return {};
  const requested = [version, ...tags].join(" with ");
  return { unbuildable: `expected OTEL_VERSION ${fitting.join(" or ")}, got ${requested}` };
}
