import { Problem } from "../common/problem.ts";
import type { Lookup } from "../settings/readSettings.ts";

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
const versions = {
  postgres: "17",
  redis: "8.0",
  uv: "0.13.8",
  caddy: "2.11.7",
  chdb: "4.4.0",
} as const;

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
  // Without both it builds in 110 s on two cores. Both cost more than all the rest of the collector's build: only where something needs them.
  const isSet = (name: string) => value(name) !== "";
  const tags = [
    ...(isSet("DD_API_KEY") ? ["datadog"] : []),
    ...(["CLICKHOUSE_ENDPOINT", "SIGNOZ_ENDPOINT", "DD_API_KEY"].some(isSet) ? ["prometheus"] : []),
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
      role: "redis",
      setting: "REDIS_IMAGE",
      repository: "redis",
      version: versions.redis,
      arguments: {},
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
  const requested = [version, ...(tags.length > 0 ? [tags.join(" and ")] : [])].join(" with ");
  return { unbuildable: `expected OTEL_VERSION ${fitting.join(" or ")}, got ${requested}` };
}

type Source = "present" | "pull" | "build";

export interface ImageChoice {
  readonly role: string;
  readonly reference: string;
  readonly source: Source;
  readonly cause: string;
}

export interface ImageQuestion {
  readonly role: string;
  /** IMAGE_SOURCE: auto pulls where it can and builds where not, the others do one of the two. */
  readonly mode: "auto" | "pull" | "local";
  readonly official: string;
  readonly local: string;
  readonly officialPresent: boolean;
  readonly localPresent: boolean;
  /** Whether an image registry answered in this run; undefined before anybody asked. */
  readonly registry: boolean | undefined;
  /** No official image is made for it, such as the server's development target. */
  readonly onlyLocal: boolean;
  /** A person's own image is set: nothing that is built here stands for it. */
  readonly isOwn: boolean;
}

/** Where a role's image comes from. Present images win, so that nothing is fetched twice. */
export function chooseImage(input: ImageQuestion): ImageChoice {
  const { role, official, local } = input;
  if (input.mode !== "local" && !input.onlyLocal) {
    if (input.officialPresent) return choice(role, official, "present", "already here");
    if (input.mode === "pull") return choice(role, official, "pull", "IMAGE_SOURCE=pull");
  }
  if (input.isOwn && input.mode === "auto" && !input.onlyLocal) {
    return choice(role, official, "pull", "not here yet");
  }
  if (input.localPresent) return choice(role, local, "present", "built here before");
  if (input.mode === "local") return choice(role, local, "build", "IMAGE_SOURCE=local");
  if (input.onlyLocal) return choice(role, local, "build", "no official image of this target");
  if (input.registry === false) return choice(role, local, "build", "no image registry answers");
  return choice(role, official, "pull", "not here yet");
}

function choice(role: string, reference: string, source: Source, cause: string): ImageChoice {
  return { role, reference, source, cause };
}

/**
 * The image to pull: as it is set where that says which one, else with the part's version
 * as its tag. So one setting (LETTA_VERSION) moves image and expectation together.
 * @param version undefined for parts whose image alone says it
 */
export function officialReference(image: string, version: string | undefined): string {
  const name = image.slice(image.lastIndexOf("/") + 1);
  if (image.includes("@") || name.includes(":") || version === undefined) return image;
  return `${image}:${version}`;
}

/** The repository of a reference, as Docker Hub's short names have it: "letta/letta". */
export function repositoryOf(reference: string): string {
  return reference
    .replace(/@.*$/, "")
    .replace(/:[^:/]*$/, "")
    .replace(/^(?:index\.)?docker\.io\//, "")
    .replace(/^library\//, "");
}

/**
 * Refuses to build what docker/<role>/ has no source of; its official image may still serve
 * where one can be pulled.
 * @throws Problem IMAGE_UNAVAILABLE naming the versions that can be built
 */
export function assertBuildable({ role, unbuildable }: Recipe): void {
  if (unbuildable === undefined) return;
  throw new Problem("IMAGE_UNAVAILABLE", `${role} cannot be built here: ${unbuildable}`, {
    next: "make an image registry reachable, or ask for what can be built",
  });
}

interface BuildInputs {
  readonly secretFiles: Readonly<Record<string, string>>;
  readonly secretTexts: Readonly<Record<string, string>>;
}

/** Settings of the host's package clients that a build may need, by their own names. */
const names = [
  "PIP_INDEX_URL",
  "PIP_EXTRA_INDEX_URL",
  "PIP_TRUSTED_HOST",
  "UV_INDEX_URL",
  "UV_DEFAULT_INDEX",
  "GOPROXY",
  "GONOSUMDB",
  "GONOSUMCHECK",
  "GOSUMDB",
  "GOPRIVATE",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
];

/** Where a host that has a CA of its own says so, first one first. */
const certificateNames = ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/**
 * What a build may see of the host and must not keep: its CA bundle, and its package
 * clients' settings, which may carry tokens, as a shell text to be sourced.
 */
export function buildSecrets(
  environment: Readonly<Record<string, string | undefined>>,
): BuildInputs {
  const bundle = certificateNames.map((name) => environment[name]).find(Boolean);
  const lines = names.flatMap((name) => {
    const value = environment[name];
    return value ? [`export ${name}='${value.replaceAll("'", `'\\''`)}'`] : [];
  });
  return {
    secretFiles: bundle ? { ca: bundle } : {},
    secretTexts: lines.length > 0 ? { host: lines.join("\n") } : {},
  };
}
