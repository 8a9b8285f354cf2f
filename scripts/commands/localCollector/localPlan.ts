import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chooseProfile, type Choice } from "../../stack/chooseProfile.ts";
import { composeConfiguration } from "../../stack/composeConfiguration.ts";
import { localConfiguration } from "../../stack/localConfiguration.ts";
import { Problem } from "../../common/problem.ts";
import { writeFile } from "../../state/writeFile.ts";
import type { Lookup } from "../../settings/fillSettings.ts";
import type { SettingName, Settings } from "../../settings/readSettings.ts";

/** How the collector runs as a process of this host. */
export interface LocalPlan {
  readonly choice: Choice;
  /** Its configuration: YAML, with `${NAME}` for secrets. */
  readonly text: string;
  /** All of its process environment, secrets included. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where it keeps queue and files. */
  readonly data: string;
  readonly configurationFile: string;
}

/** What a program of this host may need of its environment. */
const passed = ["PATH", "HOME", "TZ", "LANG", "TMPDIR", "SSL_CERT_FILE"];
const proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** The collector's ports in its configuration, and the settings that say them here. */
const portSettings = [
  [4317, "OTEL_GRPC_PORT"],
  [4318, "OTEL_HTTP_PORT"],
  [13133, "OTEL_HEALTH_PORT"],
  [8888, "OTEL_METRICS_PORT"],
] as const;

/**
 * What a local collector is started with: the profile that the settings choose, with the paths
 * and ports of this host. Nothing is written.
 * @param directory the environment's state directory
 * @throws Problem COLLECTOR_INVALID, SETTINGS_INVALID where the profile needs what is not set
 */
export function localPlan(
  settings: Settings,
  directory: string,
  deviceId: string,
  host: Readonly<Record<string, string | undefined>>,
): LocalPlan {
  const data = join(directory, "collector");
  // Where the server writes its log when it runs without a container too.
  const logs = join(host["HOME"] ?? "/root", ".letta", "logs");
  const lookup = seenFromHere(settings, existsSync(logs));
  const chosen = chooseProfile(settings.environment, lookup);
  // The proxy's access log is in a volume of the engine.
  const choice = { ...chosen, fragments: chosen.fragments.filter((one) => one !== "access") };
  const composed = composeConfiguration(settings.root, choice.fragments, lookup, { deviceId });
  const text = localConfiguration(composed, {
    data,
    logs,
    ports: new Map(portSettings.map(([port, name]) => [port, Number(settings.get(name))])),
  });
  const names = [
    ...new Set([...text.matchAll(/(?<!\$)\$\{([A-Z][A-Z0-9_]*)\}/g)].map((one) => one[1]!)),
  ];
  assertPresent(settings, names as SettingName[]);
  const environment = Object.fromEntries([
    ...[...passed, ...proxies].flatMap((name) => (host[name] ? [[name, host[name]]] : [])),
    ["GOMEMLIMIT", "820MiB"], // four fifths of the memory limiter's
    ...names.map((name) => [name, settings.get(name as SettingName)]),
    ...(settings.has("OTEL_CA_FILE") ? [["SSL_CERT_DIR", join(data, "ca")]] : []),
  ]) as Record<string, string>;
  return { choice, text, environment, data, configurationFile: join(data, "config.yaml") };
}

/** Writes what the plan needs on this host: its folders, and the configuration for no one else. */
export function writeLocalPlan(plan: LocalPlan, settings: Settings): void {
  mkdirSync(join(plan.data, "queue"), { recursive: true, mode: 0o700 });
  writeFile(plan.configurationFile, plan.text);
  if (!settings.has("OTEL_CA_FILE")) return;
  // Certificates of a folder are trusted in addition to the system's own, a file in their place.
  mkdirSync(join(plan.data, "ca"), { recursive: true, mode: 0o700 });
  writeFile(join(plan.data, "ca", "ca.pem"), readFileSync(settings.get("OTEL_CA_FILE"), "utf8"));
}

/**
 * What is otherwise here than among containers: the bundled ClickHouse is a port of the loopback,
 * and without a server's log there is nothing to read but the same warning again and again.
 */
function seenFromHere(settings: Settings, hasLogs: boolean): Lookup {
  const other = new Map<string, string>();
  if (settings.get("CLICKHOUSE_MODE") === "bundled") {
    const port = settings.get("CLICKHOUSE_PUBLISH_PORT");
    other.set("CLICKHOUSE_ENDPOINT", `http://127.0.0.1:${port}`);
  }
  if (!hasLogs) other.set("OTEL_LOG_FILE", "false");
  return (name) => {
    const value = other.get(name);
    return value === undefined ? settings.lookup(name) : { value, secret: false };
  };
}

function assertPresent(settings: Settings, names: readonly SettingName[]): void {
  const missing = names.filter((name) => settings.missing.includes(name) || !settings.has(name));
  if (missing.length === 0) return;
  const { environment, secretsFile } = settings;
  throw new Problem("SETTINGS_INVALID", `${environment}: the collector cannot do without`, {
    details: missing.map((name) => `${secretsFile}: ${name}: expected a value, got nothing`),
    next: `npm run secrets -- init ${environment}`,
  });
}
