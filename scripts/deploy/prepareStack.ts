import { collectorGates } from "../stack/versionSteps.ts";
import { chooseFragments, chooseProfile, neededImages } from "../stack/fragments.ts";
import { collectorName, composeConfiguration } from "../stack/composeConfiguration.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import { officialReference, recipes } from "../docker/recipes.ts";
import { deviceId, installationId, keyedDigest } from "../state/secretKey.ts";
import { hasProxy } from "../settings/rules.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { SettingName } from "../settings/settingDefinitions.ts";
import { grafanaConfiguration } from "../stack/grafanaConfiguration.ts";
import { proxyCertificate, secretValues } from "../stack/proxyCertificate.ts";
import { proxyConfiguration } from "../stack/proxyConfiguration.ts";
import { readSources } from "../stack/readSources.ts";
import { type LabelParts, labels, renderStack, type Stack } from "../stack/renderStack.ts";
import { caCertificate } from "./caCertificate.ts";

/** A stack with the texts that belong to it. */
export interface PreparedStack {
  readonly stack: Stack;
  readonly collector: string;
}

export interface Present {
  readonly release: string;
  /** References by setting; the official ones where nothing else is known. */
  readonly images?: ReadonlyMap<string, string>;
  /** See Engine.cpus; without it the limits stay as compose/ has them. */
  readonly cpus?: number;
  readonly observed?: readonly ObservedContainer[];
  /** For the keyed digests of secrets; without it the label is left out. */
  readonly secretKey?: Buffer | undefined;
}

/** The settings that name the images this environment's stack runs. */
export function imageSettings(settings: Settings): string[] {
  return neededImages(settings.root, parts(settings));
}

/**
 * Settings, compose/ and otel/ → the stack, without an engine.
 * @throws Problem SOURCE_INVALID, COLLECTOR_INVALID, SETTINGS_INVALID
 */
export function prepareStack(settings: Settings, present: Present): PreparedStack {
  const choice = chooseProfile(settings.environment, settings.lookup);
  const own = present.secretKey === undefined ? {} : { deviceId: deviceId(present.secretKey) };
  const compose = (replica: number) =>
    composeConfiguration(settings.root, choice.fragments, settings.lookup, { replica, ...own });
  const collector = compose(1);
  const { sources, library } = parts(settings);
  const images = present.images ?? officialImages(settings);
  const replicas = Number(settings.get("COLLECTOR_REPLICAS") || 1);
  const configs = new Map([["collector", collector]]);
  for (let replica = 2; replica <= replicas; replica++) {
    configs.set(collectorName(replica), compose(replica));
  }
  const trusted = caCertificate(settings);
  if (trusted !== undefined) configs.set("authority", trusted);
  if (hasProxy(settings.environment, settings.get("PROXY"))) {
    configs.set("proxy", proxyConfiguration(settings.lookup));
  }
  if (settings.get("GRAFANA_ENABLED") === "true") {
    const files = grafanaConfiguration(settings.root, settings.lookup);
    for (const [name, text] of files) configs.set(name, text);
  }
  const gates = collectorGates(settings.get("OTEL_VERSION"));
  const stack = renderStack({
    ...labelParts(settings, present),
    sources: readSources(settings.root, sources),
    library: readSources(settings.root, library),
    lookup: (name) => {
      if (name === "COLLECTOR_GATES") return { value: gates, secret: false };
      const image = images.get(name);
      return image === undefined ? settings.lookup(name) : { value: image, secret: false };
    },
    configs,
    collectors: replicas,
    ...(present.cpus === undefined ? {} : { cpus: present.cpus }),
  });
  return { stack, collector };
}

/** What the labels of a stack say: its release, where each service came from, the secrets of now. */
export function labelParts(settings: Settings, present: Omit<Present, "images">): LabelParts {
  return {
    project: settings.project,
    environment: settings.environment,
    release: present.release,
    past: pastServices(present.observed ?? []),
    ...(present.secretKey === undefined
      ? {}
      : {
          secretDigest: secretDigests(settings, present.secretKey),
          installation: installationId(present.secretKey),
        }),
  };
}

function parts(settings: Settings) {
  return chooseFragments(settings.environment, {
    externalDatabase: settings.has("LETTA_PG_URI"),
    redis: settings.get("REDIS_ENABLED") === "true" && !settings.has("LETTA_REDIS_HOST"),
    proxy: hasProxy(settings.environment, settings.get("PROXY")),
    certificate: proxyCertificate(settings) !== undefined,
    clickHouse: settings.has("CLICKHOUSE_ENDPOINT")
      ? (settings.get("CLICKHOUSE_MODE") as "bundled" | "external")
      : undefined,
    grafana: settings.get("GRAFANA_ENABLED") === "true",
    caCertificate: settings.has("OTEL_CA_FILE"),
  });
}

function officialImages(settings: Settings): Map<string, string> {
  return new Map(
    recipes(settings.environment, settings.lookup).map((recipe) => [
      recipe.setting,
      officialReference(settings.get(recipe.setting as SettingName), recipe.officialVersion),
    ]),
  );
}

/** What runs tells best which release each service came from. */
function pastServices(observed: readonly ObservedContainer[]) {
  return new Map(
    observed.map((one) => [
      one.service,
      {
        digest: one.labels[labels.digest] ?? "",
        secrets: one.labels[labels.secrets],
        release: one.labels[labels.release] ?? "",
      },
    ]),
  );
}

/** Each secret's keyed digest: tells that one changed, and nothing else. */
export function secretDigests(settings: Settings, key: Buffer) {
  const values = secretValues(settings);
  return (name: string) => {
    const value = values.get(name);
    return value === undefined ? undefined : keyedDigest(key, value);
  };
}
