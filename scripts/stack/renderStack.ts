import { createHash } from "node:crypto";
import { Document, visit } from "yaml";
import { Problem } from "../common/problem.ts";
import { fillSettings, type Lookup } from "../settings/readSettings.ts";
import { serverVariables } from "../settings/serverVariables.ts";
import { isMap, mergeSources, type Value, type ValueMap } from "./mergeSources.ts";
import { readServices, type StackService } from "./readServices.ts";
import type { Source } from "./readSources.ts";
import { readServerRole, type ServerRole } from "./serverRole.ts";

/** The labels every container carries besides Compose's own. */
export const labels = {
  environment: "letta-stack.environment",
  role: "letta-stack.role",
  release: "letta-stack.release",
  digest: "letta-stack.digest",
  secrets: "letta-stack.secrets",
  installation: "letta-stack.installation",
} as const;

/** A rendered stack: the text Compose runs and what the tool reads from it. */
export interface Stack {
  readonly project: string;
  readonly environment: string;
  readonly text: string;
  readonly model: ValueMap;
  /** In the order in which they start. */
  readonly services: readonly StackService[];
  readonly server: ServerRole;
}

export interface RenderParts {
  readonly project: string;
  readonly environment: string;
  readonly sources: readonly Source[];
  /** Files that others extend. */
  readonly library: readonly Source[];
  readonly lookup: Lookup;
  /** Configuration that travels inside the file, by its name under `configs`. */
  readonly configs: ReadonlyMap<string, string>;
  /** How many collectors share the work; each of the others runs the config of its own name. */
  readonly collectors?: number;
  /** How many CPUs a container may be limited to; 0 where the engine can set no such limit. */
  readonly cpus?: number;
  /** The release this would be, and which release each unchanged service came from. */
  readonly release: string;
  readonly past?: ReadonlyMap<string, PastService>;
  /** A keyed digest of a secret's value; without it the label for secrets is left out. */
  readonly secretDigest?: SecretDigest;
  /** Whose the stack is, see installationId. */
  readonly installation?: string;
}

/** What a service's container was made from, by its labels. */
interface PastService {
  readonly digest: string;
  readonly secrets?: string | undefined;
  readonly release: string;
}

/**
 * Renders a stack: the same parts give the same bytes, whatever the machine.
 * @throws Problem SOURCE_INVALID
 */
export function renderStack(parts: RenderParts): Stack {
  const sources = mergeSources(parts.sources, parts.library);
  const replicated = replicateCollector(sources, parts.collectors ?? 1);
  const merged = interpolate(passVariables(replicated, parts.lookup), parts.lookup);
  const model: ValueMap = { name: parts.project };
  for (const [key, value] of Object.entries(merged)) {
    if (!key.startsWith("x-") || key === "x-app") model[key] = structuredClone(value);
  }
  const configs = Object.fromEntries(
    [...parts.configs].map(([name, text]) => [name, { content: text.replaceAll("$", "$$$$") }]),
  );
  model["configs"] = { ...(isMap(model["configs"]) ? model["configs"] : {}), ...configs };
  if (parts.cpus !== undefined) limitCpus(model, parts.cpus);
  return labelStack(model, parts);
}

/**
 * An engine refuses a limit above the CPUs that it has, and any limit where its kernel has no quota
 * ("NanoCPUs can not be set", moby daemon/daemon_unix.go). The share stays as a weight there.
 */
function limitCpus(model: ValueMap, cpus: number): void {
  for (const service of Object.values(model["services"] as ValueMap)) {
    if (!isMap(service) || typeof service["cpus"] !== "number") continue;
    if (cpus > 0) service["cpus"] = Math.min(service["cpus"], cpus);
    else {
      service["cpu_shares"] = Math.round(service["cpus"] * 1024);
      delete service["cpus"];
    }
  }
}

/** What the labels of a stack say besides its contents. */
export type LabelParts = Pick<
  RenderParts,
  "project" | "environment" | "release" | "past" | "secretDigest" | "installation"
>;

/**
 * A model with its labels, as text: for one just rendered, and for one of a past release that
 * is to come back.
 * @param model is changed: its services get their labels
 * @throws Problem SOURCE_INVALID
 */
export function labelStack(model: ValueMap, parts: LabelParts): Stack {
  const digests = digestServices(model, parts.secretDigest);
  for (const [name, service] of Object.entries(model["services"] as ValueMap)) {
    if (!isMap(service)) continue;
    const { digest, secrets: secretsDigest } = digests.get(name)!;
    const before = parts.past?.get(name);
    const hasSecrets = secretsDigest === undefined || before?.secrets === secretsDigest;
    service["labels"] = {
      [labels.environment]: parts.environment,
      [labels.role]: name,
      [labels.release]: before?.digest === digest && hasSecrets ? before.release : parts.release,
      [labels.digest]: digest,
      ...(secretsDigest === undefined ? {} : { [labels.secrets]: secretsDigest }),
      // In no digest: nothing is made anew only to carry it.
      ...(parts.installation === undefined ? {} : { [labels.installation]: parts.installation }),
    };
  }
  return {
    project: parts.project,
    environment: parts.environment,
    text: header(parts) + toYaml(model),
    model,
    services: readServices(model),
    server: readServerRole(model),
  };
}

function header(parts: LabelParts): string {
  return [
    `# Rendered by letta-stack from compose/, otel/ and env/: change those, not this file.`,
    `# Secrets are not in it. For \`up\` by hand, give them to Compose:`,
    `#   docker compose --env-file env/${parts.environment}.secrets.env -f <this file> up -d --wait`,
    ``,
  ].join("\n");
}

/** YAML that YAML 1.1 readers (Compose among them) read as it was meant. */
function toYaml(model: unknown): string {
  const document = new Document(model, { compat: "yaml-1.1", aliasDuplicateObjects: false });
  visit(document, {
    // A block that begins with blanks alone would lose them (yaml 2.9.1).
    Scalar(_key, node) {
      if (typeof node.value === "string" && /^[^\S\n]+\n/.test(node.value)) {
        node.type = "QUOTE_DOUBLE";
      }
    },
  });
  return document.toString({ lineWidth: 0 });
}

/**
 * Fills the settings into a model. An environment entry without a value (`NAME:`) takes
 * the setting of that name and is left out where there is none.
 * @throws Problem SOURCE_INVALID for names that no setting declares
 */
export function interpolate(model: ValueMap, lookup: Lookup): ValueMap {
  const unknown = new Set<string>();
  const walk = (value: Value, path: readonly string[]): Value => {
    if (typeof value === "string") return fillSettings(value, lookup, unknown);
    if (Array.isArray(value)) return value.map((item) => walk(item, path));
    if (!isMap(value)) return value;
    const entries = Object.entries(value).flatMap(([key, inner]): [string, Value][] => {
      if (inner !== null || path.at(-1) !== "environment")
        return [[key, walk(inner, [...path, key])]];
      const isSet = fillSettings(`\${${key}}`, lookup, unknown) !== "" && lookup(key)?.value !== "";
      return isSet ? [[key, fillSettings(`\${${key}}`, lookup, unknown)]] : [];
    });
    return Object.fromEntries(entries);
  };
  const filled = walk(model, []) as ValueMap;
  if (unknown.size > 0) {
    throw new Problem("SOURCE_INVALID", "the stack's sources name settings that do not exist", {
      details: [...unknown].map((name) => `compose/: \${${name}}: expected a declared setting`),
    });
  }
  return filled;
}

/**
 * More collectors behind the one name `collector`: each a copy of it with a volume, and so a
 * queue, of its own, without published ports and without the log files of server and proxy,
 * which one of them reads. Telemetry sent to `collector:4317` goes to whichever address the sender resolves.
 * @param model merged sources; it is not changed
 * @param replicas how many there are in all; each of the others runs the config of its own name
 */
function replicateCollector(model: ValueMap, replicas: number): ValueMap {
  if (replicas <= 1) return model;
  const services = { ...(model["services"] as ValueMap) };
  const volumes = { ...(model["volumes"] as ValueMap) };
  const permissions = structuredClone(services["permissions"]) as ValueMap;
  for (let number = 2; number <= replicas; number++) {
    const { ports: _ports, ...copy } = structuredClone(services["collector"]) as ValueMap;
    services[`collector-${number}`] = {
      ...copy,
      configs: list(copy["configs"]).map((one) =>
        isMap(one) && one["source"] === "collector"
          ? { ...one, source: `collector-${number}` }
          : one,
      ),
      volumes: list(copy["volumes"])
        .map(String)
        .filter((mount) => !/^(?:logs|access):/.test(mount))
        .map((mount) => mount.replace(/^telemetry:/, `telemetry-${number}:`)),
      networks: { telemetry: { aliases: ["collector"] } },
    };
    volumes[`telemetry-${number}`] = {};
    permissions["volumes"] = [
      ...list(permissions["volumes"]),
      `telemetry-${number}:/telemetry-${number}`,
    ];
  }
  return { ...model, services: { ...services, permissions }, volumes };
}

function list(value: Value | undefined): Value[] {
  return Array.isArray(value) ? value : [];
}

/** Traffic within the stack never goes through a proxy. */
const internal = ["localhost", "127.0.0.1", "postgres", "collector", "clickhouse", "redis"];

const isSet = (lookup: Lookup, name: string) => (lookup(name)?.value ?? "") !== "";

/**
 * Adds the server's own variables that are set to the environment of the server and of its
 * migrations, which read the same settings. An unset one is left out: the server takes an empty
 * value for one that is set.
 * @param model the merged sources, before interpolation; its services may be changed
 */
export function passVariables(model: ValueMap, lookup: Lookup): ValueMap {
  const role = model["x-app"];
  const services = model["services"];
  if (!isMap(role) || !isMap(services)) return model;
  const set = Object.keys(serverVariables).filter((name) => isSet(lookup, name));
  const passed: ValueMap = Object.fromEntries(set.map((name) => [name, `\${${name}}`]));
  if (set.some((name) => name.endsWith("_PROXY"))) {
    const own = isSet(lookup, "NO_PROXY") ? ["${NO_PROXY}"] : [];
    passed["NO_PROXY"] = [...own, ...internal].join(",");
  }
  const meant = [role["service"], role["migrate"]];
  const changed = Object.entries(services).map(([name, service]) => {
    if (!meant.includes(name) || !isMap(service)) return [name, service];
    const own = isMap(service["environment"]) ? service["environment"] : {};
    return [name, { ...service, environment: { ...passed, ...own } }];
  });
  return { ...model, services: Object.fromEntries(changed) as ValueMap };
}

/** A secret's keyed digest by its name; undefined for one that is not set. */
type SecretDigest = (name: string) => string | undefined;

interface ServiceDigest {
  /** Of all the service was rendered from, mounted configuration included. */
  readonly digest: string;
  /** Of the present values of the secrets it needs another container for; undefined where it names none. */
  readonly secrets: string | undefined;
}

/**
 * Postgres reads this file once, when it makes its data directory. A rotation changes the role's
 * password and the file in the running container, so neither needs another container.
 */
const readOnce = "secrets.postgres_password";

/**
 * What identifies each service's desired state. Order of keys does not matter; a
 * definition it refers to (configuration, network, volume, secret) counts as its own.
 * What only says how others wait for it (depends_on) does not count.
 */
export function digestServices(
  model: ValueMap,
  secretDigest: SecretDigest | undefined,
): Map<string, ServiceDigest> {
  const digests = new Map<string, ServiceDigest>();
  for (const [name, service] of Object.entries((model["services"] ?? {}) as ValueMap)) {
    if (!isMap(service)) continue;
    const { depends_on: _order, labels: _labels, ...own } = service;
    const definitions = referred(model, own);
    const { [readOnce]: _once, ...others } = definitions;
    const names = [...new Set(secretNames(canonical({ own, ...others })))].sort();
    const values = names.map((secret) => `${secret}=${secretDigest?.(secret) ?? ""}`);
    const secrets = secretDigest && names.length > 0 ? sha256(values.join("\n")) : undefined;
    digests.set(name, { digest: sha256(canonical({ own, ...definitions })), secrets });
  }
  return digests;
}

/** The definitions at the top of the model that a service's own lists and maps name. */
function referred(model: ValueMap, service: ValueMap): ValueMap {
  const found: ValueMap = {};
  for (const kind of ["configs", "networks", "secrets", "volumes"]) {
    const definitions = model[kind];
    if (!isMap(definitions)) continue;
    const text = JSON.stringify(service[kind] ?? null);
    for (const [name, definition] of Object.entries(definitions)) {
      if (new RegExp(`"${name}["/:]`).test(text)) found[`${kind}.${name}`] = definition;
    }
  }
  return found;
}

function secretNames(text: string): string[] {
  const inValues = [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map((match) => match[1]!);
  const asFiles = [...text.matchAll(/"environment":"([A-Z][A-Z0-9_]*)"/g)].map(
    (match) => match[1]!,
  );
  return [...inValues, ...asFiles];
}

function canonical(value: Value): string {
  return JSON.stringify(value, (_key, inner: Value) =>
    isMap(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
