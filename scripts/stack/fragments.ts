import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, parse, parseDocument, Scalar } from "yaml";
import { fillSettings, type Lookup } from "../settings/readSettings.ts";
import { isSigNozCloud } from "../settings/telemetrySettings.ts";
import { hasProxy } from "../settings/rules.ts";

export type Section = { [key: string]: unknown };

interface Fragment {
  readonly configuration: Section;
  /** Where each key stands, as "file:line" by its path; an item of a list as "path[item]". */
  readonly places: ReadonlyMap<string, string>;
  /** What cannot be read or filled, one line each. */
  readonly faults: readonly string[];
}

/** In these, a text is a statement of OTTL, and a setting a part of one of its literals. */
const statements = /^processors\.(?:transform|filter)\b/;

/**
 * A fragment of otel/ with the settings written in: where `${NAME}` stands plain, digits become a
 * number, in quotes they stay a text. Secrets stay `${NAME}`.
 * @param root the project's directory
 * @param name the file's name without its ending
 */
function readFragment(root: string, name: string, lookup: Lookup): Fragment {
  const file = `otel/${name}.yaml`;
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(join(root, file), "utf8"), { lineCounter: lines });
  const places = new Map<string, string>();
  const faults: string[] = [];
  const place = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  for (const error of document.errors) {
    faults.push(`${place(error.pos[0])}: ${error.message.split("\n")[0]}`);
  }
  if (faults.length > 0) return { configuration: {}, places, faults };

  const fill = (scalar: Scalar, path: string): unknown => {
    if (typeof scalar.value !== "string") return scalar.value;
    const at = place(scalar.range?.[0] ?? 0);
    const unknown = new Set<string>();
    const found: Lookup = (input) => {
      const setting = lookup(input);
      if (setting?.value === "") faults.push(`${at}: ${input}: expected a value, got nothing`);
      if (setting === undefined || !statements.test(path)) return setting;
      return { ...setting, value: setting.value.replaceAll(/["\\]/g, String.raw`\$&`) };
    };
    const filled = fillSettings(scalar.value, found, unknown);
    for (const one of unknown) {
      const shown = one.startsWith("$") ? one : `\${${one}}`;
      faults.push(`${at}: ${shown}: expected a declared setting`);
    }
    const plain = scalar.type === Scalar.PLAIN && filled !== scalar.value;
    return plain && /^(?:0|[1-9]\d{0,14})(?:\.\d+)?$/.test(filled) ? Number(filled) : filled;
  };
  const walk = (node: unknown, path: string): unknown => {
    if (isMap(node)) {
      return Object.fromEntries(
        node.items.map(({ key, value }) => {
          const own = String(isScalar(key) ? key.value : key);
          const below = path === "" ? own : `${path}.${own}`;
          if (isScalar(key)) places.set(below, place(key.range?.[0] ?? 0));
          return [own, walk(value, below)];
        }),
      );
    }
    if (isSeq(node)) {
      return node.items.map((item) => {
        const below = `${path}[${isScalar(item) ? item.value : ""}]`;
        if (isScalar(item)) places.set(below, place(item.range?.[0] ?? 0));
        return walk(item, below);
      });
    }
    return isScalar(node) ? fill(node, path) : null;
  };
  return { configuration: (walk(document.contents, "") ?? {}) as Section, places, faults };
}

/**
 * Fragments of otel/ laid over one another: maps merge, lists grow, anything else is replaced.
 * A place is that of the highest fragment which has the key.
 * @param names without ending, lowest first
 */
export function mergeFragments(root: string, names: readonly string[], lookup: Lookup): Fragment {
  const fragments = names.map((name) => readFragment(root, name, lookup));
  return {
    configuration: fragments.reduce<Section>((below, one) => merge(below, one.configuration), {}),
    places: new Map(fragments.flatMap((one) => [...one.places])),
    faults: fragments.flatMap((one) => one.faults),
  };
}

function merge(below: Section, above: Section): Section {
  const merged: Section = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const before = merged[key];
    if (Array.isArray(before) && Array.isArray(value)) merged[key] = [...before, ...value];
    else if (isSection(before) && isSection(value)) merged[key] = merge(before, value);
    else merged[key] = value;
  }
  return merged;
}

function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The Compose files a stack is made of, lowest first. */
interface Parts {
  readonly sources: readonly string[];
  readonly library: readonly string[];
}

/** Which of the parts that may be left out, or stand outside, are in the stack. */
interface FragmentChoice {
  /** LETTA_PG_URI names a database outside. */
  readonly externalDatabase: boolean;
  /** Redis is part of the stack. */
  readonly redis: boolean;
  /** Requests come through the proxy. */
  readonly proxy: boolean;
  /** The proxy has a certificate of one's own. */
  readonly certificate: boolean;
  /** Where ClickHouse runs, if telemetry goes there. */
  readonly clickHouse: "bundled" | "external" | undefined;
  readonly grafana: boolean;
  /** Exporters trust one more CA. */
  readonly caCertificate: boolean;
}

/** Which files of compose/ make up an environment's stack. */
export function chooseFragments(environment: string, choice: FragmentChoice): Parts {
  const local = environment === "dev" || environment === "development";
  const bundled = local ? ["postgres", "postgres-open"] : ["postgres"];
  const names = [
    "server",
    ...(choice.externalDatabase ? ["database"] : bundled),
    ...(choice.redis ? ["redis"] : []),
    "collector",
    ...(choice.caCertificate ? ["collector-ca"] : []),
    ...(choice.clickHouse ? ["clickhouse-reader"] : []),
    ...(choice.clickHouse === "bundled" ? ["clickhouse"] : []),
    ...(choice.grafana ? ["grafana"] : []),
    ...(choice.proxy ? ["proxy"] : []),
    ...(choice.proxy && choice.certificate ? ["proxy-certificate"] : []),
    environment,
  ];
  return { sources: names.map((name) => `compose/${name}.yaml`), library: ["compose/common.yaml"] };
}

/** The settings that name images in these files: what has to be on the engine. */
export function neededImages(root: string, parts: Parts): string[] {
  const found = parts.sources.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^\s+image: \$\{([A-Z_]+)\}$/gm)].map(
      (match) => match[1]!,
    ),
  );
  return [...new Set(found)];
}

export type Profile = "clickhouse" | "signoz" | "datadog" | "file";

/** Each profile's backend, for people. */
export const backendNames: Readonly<Record<Profile, string>> = {
  clickhouse: "ClickHouse",
  signoz: "SigNoz",
  datadog: "Datadog",
  file: "files",
};

export interface Choice {
  readonly profile: Profile;
  /** The fragments of otel/ it is composed from, in order. */
  readonly fragments: readonly string[];
  /** Why this profile. */
  readonly cause: string;
  /** Why each fragment is there. */
  readonly causes: Readonly<Record<string, string>>;
  /** Settings of a backend that telemetry does not go to. */
  readonly unused: readonly string[];
}

/**
 * Which backend the telemetry goes to, by the rule of the original start script: ClickHouse where
 * its endpoint and password are set, else SigNoz, else files. Datadog is added to either and does
 * without; dev and development keep files too. The order is the pipelines': what takes out comes
 * before what samples, and batches are made last.
 */
export function chooseProfile(environment: string, lookup: Lookup): Choice {
  const value = (name: string) => lookup(name)?.value ?? "";
  const isSet = (...names: readonly string[]) => names.every((name) => value(name) !== "");
  const clickHouse = isSet("CLICKHOUSE_ENDPOINT", "CLICKHOUSE_PASSWORD");
  const signozKey = isSet("SIGNOZ_INGESTION_KEY");
  const isWhole = signozKey || !isSigNozCloud(value("SIGNOZ_ENDPOINT"));
  const signoz = !clickHouse && isSet("SIGNOZ_ENDPOINT") && isWhole;
  const datadog = isSet("DD_API_KEY");
  const profile = clickHouse ? "clickhouse" : signoz ? "signoz" : datadog ? "datadog" : "file";
  const cause = {
    clickhouse: "CLICKHOUSE_ENDPOINT and CLICKHOUSE_PASSWORD are set",
    signoz: "SIGNOZ_ENDPOINT is set",
    datadog: "DD_API_KEY is set",
    file: "no backend is set",
  }[profile];
  const away = profile !== "file";
  const local = environment === "dev" || environment === "development";
  const logFile = value("OTEL_LOG_FILE") === "true";
  const sampled = isSet("OTEL_SAMPLING_PERCENT") && Number(value("OTEL_SAMPLING_PERCENT")) < 100;
  const fileCause = away ? `${environment} keeps files too` : cause;

  const table: readonly (readonly [fragment: string, chosen: boolean, cause: string])[] = [
    ["base", true, "every profile begins with it"],
    ["queue", away || logFile, away ? "what leaves the machine is queued" : "offsets are retained"],
    ["clickhouse", clickHouse, cause],
    ["signoz", signoz, cause],
    ["signoz-key", signoz && signozKey, "SIGNOZ_INGESTION_KEY is set"],
    ["signoz-plain", signoz && value("SIGNOZ_ENDPOINT").startsWith("http://"), "it says http://"],
    ["datadog", datadog, "DD_API_KEY is set"],
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
  const ofOthers = [
    ...(clickHouse
      ? []
      : ["ENDPOINT", "DATABASE", "USERNAME", "PASSWORD"].map((one) => `CLICKHOUSE_${one}`)),
    ...(signoz ? [] : ["SIGNOZ_ENDPOINT", "SIGNOZ_INGESTION_KEY"]),
    ...(datadog ? [] : ["DD_SITE", "DD_URL"]),
  ];
  return {
    profile,
    fragments: chosen.map(([fragment]) => fragment),
    cause,
    causes: Object.fromEntries(chosen.map(([fragment, , why]) => [fragment, why])),
    unused: ofOthers.filter((name) => isSet(name)),
  };
}

const kinds = ["extensions", "receivers", "processors", "exporters", "connectors"] as const;

/**
 * The types of all components that a configuration has, each once and sorted: "otlp/signoz" is
 * one of type otlp.
 * @param text YAML as composeConfiguration made it
 */
export function listComponents(text: string): string[] {
  const configuration = (parse(text, { version: "1.1" }) ?? {}) as Record<string, object | null>;
  const names = kinds.flatMap((kind) => Object.keys(configuration[kind] ?? {}));
  return [...new Set(names.map((name) => name.split("/")[0]!))].sort();
}
