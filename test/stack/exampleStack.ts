import { readFileSync } from "node:fs";
import { join } from "node:path";
import { officialReference, recipes } from "../../scripts/docker/recipes.ts";
import { settingDefinitions, type SettingName } from "../../scripts/settings/settingDefinitions.ts";
import type { Lookup } from "../../scripts/settings/readSettings.ts";
import { derivedDefaults, hasProxy } from "../../scripts/settings/rules.ts";
import { chooseFragments } from "../../scripts/stack/fragments.ts";
import { grafanaConfiguration } from "../../scripts/stack/grafanaConfiguration.ts";
import { proxyConfiguration } from "../../scripts/stack/proxyConfiguration.ts";
import { readSources } from "../../scripts/stack/readSources.ts";
import { type RenderParts, renderStack, type Stack } from "../../scripts/stack/renderStack.ts";

export const root = join(import.meta.dirname, "..", "..");

/** One value for each secret that the bundled parts need, as no person would choose it. */
export const exampleSecrets: Readonly<Record<string, string>> = {
  LETTA_PG_PASSWORD: "pg-secret-3f9a",
  LETTA_SERVER_PASSWORD: "server-secret-77c1",
  LETTA_ENCRYPTION_KEY: "encryption-secret-0b5e",
};

/** What CLICKHOUSE_MODE=bundled brings along: its derived defaults, and a value for each password. */
export const bundledClickHouse: Readonly<Record<string, string>> = {
  CLICKHOUSE_MODE: "bundled",
  CLICKHOUSE_ENDPOINT: "http://clickhouse:8123",
  CLICKHOUSE_DATABASE: "otel",
  CLICKHOUSE_USERNAME: "otel_writer",
  CLICKHOUSE_READER_USERNAME: "otel_reader",
  CLICKHOUSE_PASSWORD: "writer-secret-9f1c",
  CLICKHOUSE_READER_PASSWORD: "reader-secret-2b7e",
  CLICKHOUSE_ADMIN_PASSWORD: "admin-secret-5d3a",
};

/** What GRAFANA_ENABLED=true brings along. */
export const bundledGrafana: Readonly<Record<string, string>> = {
  GRAFANA_ENABLED: "true",
  GRAFANA_URL: "http://127.0.0.1:3000",
  GRAFANA_ADMIN_PASSWORD: "grafana-secret-6c4d",
  GRAFANA_SECRET_KEY: "grafana-key-1e8b",
};

/** The committed env files of an environment, read without the module that checks them. */
export function exampleValues(environment: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const file of ["common", environment]) {
    const lines = readFileSync(join(root, "env", `${file}.env`), "utf8").split("\n");
    for (const line of lines.filter((one) => /^[A-Z]/.test(one))) {
      const [name = "", ...rest] = line.split("=");
      values.set(name, rest.join("=").replace(/^(['"])(.*)\1$/, "$2"));
    }
  }
  if (environment === "development") values.set("LETTA_SOURCE_DIR", "/srv/letta source");
  for (const [name, value] of Object.entries(exampleSecrets)) values.set(name, value);
  return values;
}

/** What names stand for: a declared one that has no value is "", others are unknown. */
export function lookupOf(values: ReadonlyMap<string, string>): Lookup {
  return (name) =>
    name in settingDefinitions || name === "COLLECTOR_GATES"
      ? {
          value: values.get(name) ?? "",
          secret: settingDefinitions[name as SettingName]?.secret === true,
        }
      : undefined;
}

/** An environment's values with the reference of each image as it would be pulled. */
export function valuesWithImages(
  environment: string,
  changed: Readonly<Record<string, string>> = {},
): Map<string, string> {
  const values = new Map([...exampleValues(environment), ...Object.entries(changed)]);
  const derived = derivedDefaults((name) => values.get(name) ?? "");
  for (const [name, value] of derived) if (!values.get(name)) values.set(name, value);
  for (const recipe of recipes(environment, lookupOf(values))) {
    const image = values.get(recipe.setting) ?? "";
    values.set(recipe.setting, officialReference(image, recipe.officialVersion));
  }
  return values;
}

/** Everything that the stack of an environment is rendered from, out of this repository. */
export function exampleFragments(
  environment: string,
  changed: Readonly<Record<string, string>> = {},
): RenderParts & { readonly files: readonly string[] } {
  const values = valuesWithImages(environment, changed);
  const proxy = hasProxy(environment, values.get("PROXY"));
  const parts = chooseFragments(environment, {
    externalDatabase: false,
    redis: values.get("REDIS_ENABLED") === "true" && !values.get("LETTA_REDIS_HOST"),
    proxy,
    certificate: values.has("PROXY_CERT_FILE"),
    clickHouse: values.has("CLICKHOUSE_ENDPOINT")
      ? (values.get("CLICKHOUSE_MODE") as "bundled" | "external")
      : undefined,
    grafana: values.get("GRAFANA_ENABLED") === "true",
    caCertificate: values.has("OTEL_CA_FILE"),
  });
  const collector = "exporters: {}\n";
  return {
    project: `example-${environment}`,
    environment,
    files: parts.sources,
    sources: readSources(root, parts.sources),
    library: readSources(root, parts.library),
    lookup: lookupOf(values),
    configs: new Map([
      ["collector", collector],
      ...(proxy ? [["proxy", proxyConfiguration(lookupOf(values))] as const] : []),
      ...(parts.sources.includes("compose/grafana.yaml")
        ? grafanaConfiguration(root, lookupOf(values))
        : []),
    ]),
    release: "000001",
  };
}

/** The stack of an environment of this repository. */
export function exampleStack(
  environment: string,
  changed: Readonly<Record<string, string>> = {},
): Stack {
  return renderStack(exampleFragments(environment, changed));
}
