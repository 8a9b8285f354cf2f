import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "../../checks/request.ts";
import { Problem } from "../../common/problem.ts";
import { durationMs } from "../../common/units.ts";
import type { Platform } from "../../docker/collectorBinary.ts";
import { isFree, portHolder } from "../../docker/portHolder.ts";
import { runProgram, type Supervised, superviseProgram } from "../../docker/superviseProgram.ts";
import type { Lookup, Settings } from "../../settings/readSettings.ts";
import type { SettingName } from "../../settings/settingDefinitions.ts";
import { composeConfiguration } from "../../stack/composeConfiguration.ts";
import { type Choice, chooseProfile } from "../../stack/fragments.ts";
import { localConfiguration } from "../../stack/localConfiguration.ts";
import type { Context } from "../../state/context.ts";
import type { InstalledCollector } from "../../state/installedCollector.ts";
import { takeLock } from "../../state/lock.ts";
import { deviceId, secretKey } from "../../state/secretKey.ts";
import { stateDirectory } from "../../state/stateDirectory.ts";
import { writeFile } from "../../state/writeFile.ts";
import { obtainCollector } from "./obtainCollector.ts";

/** What a run of a local collector came to. */
export interface LocalRun {
  readonly version: string;
  readonly profile: string;
  readonly path: string;
  readonly deviceId: string;
  readonly grafana: string | null;
  /** "stopped" as asked, or "ended" by itself. */
  readonly outcome: string;
  readonly restarts: number;
}

export interface LocalCollector {
  /** What would be run; see `localPlan`. */
  plan(): LocalPlan;
  /** Has the program; see `obtainCollector`. */
  install(): Promise<InstalledCollector>;
  /** Installs, checks and runs it until it is stopped; `tell` gets the facts when it runs. */
  start(tell: (rows: readonly (readonly string[])[]) => void): Promise<LocalRun>;
}

/**
 * The collector as a process of this host: programs below STATE_DIR/bin, one for each version,
 * and queue, files and configuration below STATE_DIR/<env>/collector. One run at a time.
 */
export function localCollector(
  settings: Settings,
  platform: Platform,
  context: Context,
): LocalCollector {
  const { environment, stateDir } = settings;
  const directory = stateDirectory(stateDir, environment);
  const folder = join(stateDir, "bin");
  const id = deviceId(secretKey(directory, context.randomBytes));
  const plan = () => localPlan(settings, directory, id, context.processEnvironment);
  const install = () => obtainCollector(settings, platform, folder, context);

  const locked = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const holder = { command: "collector", since: new Date(context.now()).toISOString() };
    const options = { wait: false, signal: context.signal };
    const unlock = await takeLock(`collector/${realpathSync(folder)}`, holder, options);
    try {
      return await work();
    } finally {
      await unlock();
    }
  };

  const start: LocalCollector["start"] = async (tell) => {
    const planned = plan();
    const { path, version } = await install();
    writeLocalPlan(planned, settings);
    await context.reporter.step("check collector configuration", () =>
      checkLocalConfiguration(path, planned, context),
    );
    const { profile, cause } = planned.choice;
    const grafana = grafanaLink(settings, id);
    const rows = [
      ["collector", `${version} takes telemetry, profile ${profile} (${cause})`],
      [
        "OTLP",
        `gRPC 127.0.0.1:${settings.get("OTEL_GRPC_PORT")}, HTTP 127.0.0.1:${settings.get("OTEL_HTTP_PORT")}`,
      ],
      ["stored in", planned.data],
      ["device id", id],
      ["Grafana", grafana ?? "GRAFANA_ENABLED is false and GRAFANA_URL is not set"],
      ["stop it", "Ctrl-C"],
    ];
    const { outcome, restarts } = await startCollector(path, planned, settings, context, () =>
      tell(rows),
    );
    return { version, profile, path, deviceId: id, grafana, outcome, restarts };
  };

  return { plan, install: () => locked(install), start: (tell) => locked(() => start(tell)) };
}

/** Dashboards show one installation's telemetry where the link says whose. */
function grafanaLink(settings: Settings, id: string): string | null {
  const own = `http://127.0.0.1:${settings.get("GRAFANA_PUBLISH_PORT")}`;
  const url =
    settings.get("GRAFANA_URL") || (settings.get("GRAFANA_ENABLED") === "true" ? own : "");
  return url === "" ? null : `${url}?var-device_id=${id}`;
}

/** How the collector runs as a process of this host. */
interface LocalPlan {
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
function localPlan(
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
function writeLocalPlan(plan: LocalPlan, settings: Settings): void {
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

/** As the container: this long to bring its queue to disk. */
const graceMs = 60_000;
const crashes = { pauseMs: 1_000, longestPauseMs: 30_000, mostCrashes: 5, steadyMs: 60_000 };
const pollMs = 200;

const portNames = [
  "OTEL_GRPC_PORT",
  "OTEL_HTTP_PORT",
  "OTEL_HEALTH_PORT",
  "OTEL_METRICS_PORT",
] as const;

/** In otel/base.yaml. */
const fixedPorts = [
  ["pprof", 1777],
  ["zpages", 55679],
] as const;

/**
 * Has the collector judge its configuration, before anything listens.
 * @param path an installed collector
 * @throws Problem COLLECTOR_INVALID with its own words
 */
async function checkLocalConfiguration(
  path: string,
  plan: LocalPlan,
  context: Context,
): Promise<void> {
  const { code, stderr } = await runProgram(
    path,
    ["validate", "--config", plan.configurationFile],
    { environment: plan.environment, timeoutMs: 60_000, signal: context.signal },
  );
  if (code === 0) return;
  throw new Problem("COLLECTOR_INVALID", "the collector refuses its configuration", {
    details: stderr.trim().split("\n").slice(-6),
    next: "npm run collector -- config",
  });
}

/**
 * Runs the collector in the foreground until it is stopped, starting it again after a crash.
 * @param path an installed collector
 * @param onReady called when it takes telemetry, after each start
 * @throws Problem PORT_TAKEN, STEP_FAILED where it does not stay up or had to be killed
 */
async function startCollector(
  path: string,
  plan: LocalPlan,
  settings: Settings,
  context: Context,
  onReady: () => void,
): Promise<Supervised> {
  await assertPortsFree(settings);
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, context.signal]);
  const ended = await superviseProgram(path, ["--config", plan.configurationFile], {
    ...crashes,
    environment: plan.environment,
    cwd: plan.data,
    graceMs,
    now: context.now,
    signal: context.signal,
    onStart: () => void healthy(settings, context, signal).then((is) => is && onReady()),
    onCrash: (how, pauseMs) =>
      context.reporter.note(`the collector crashed (${how}): again in ${pauseMs / 1000} s`),
  });
  over.abort();
  if (ended.outcome === "stopped" || ended.outcome === "ended") return ended;
  const what: Record<string, string> = {
    killed: `it did not end within ${graceMs / 1000} s and was killed: what it had in memory is lost`,
    crashed: `it crashed ${crashes.mostCrashes} times in a row (${ended.how})`,
    "not started": ended.how,
  };
  throw new Problem("STEP_FAILED", `the collector does not run: ${what[ended.outcome]}`, {
    details: ["its own output is above"],
    next: "npm run collector -- config, or npm run doctor",
  });
}

/** @returns whether it takes telemetry; false where it did not in its time, or the signal came */
async function healthy(
  settings: Settings,
  context: Context,
  signal: AbortSignal,
): Promise<boolean> {
  const url = `http://127.0.0.1:${settings.get("OTEL_HEALTH_PORT")}/`;
  const patienceMs = durationMs(settings.get("COLLECTOR_TIMEOUT"));
  const started = context.now();
  while (!signal.aborted && context.now() - started < patienceMs) {
    const reply = await request(url).catch(() => undefined);
    if (reply?.status === 200) return true;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
  if (!signal.aborted) context.reporter.note(`the collector does not answer yet at ${url}`);
  return false;
}

async function assertPortsFree(settings: Settings): Promise<void> {
  const input = portNames.map((name) => [name, Number(settings.get(name))] as const);
  const faults: string[] = [];
  for (const [name, port] of [...input, ...fixedPorts]) {
    if (await isFree("127.0.0.1", port)) continue;
    faults.push(`127.0.0.1:${port} (${name}): held by ${portHolder(port) ?? "another process"}`);
  }
  if (faults.length === 0) return;
  throw new Problem("PORT_TAKEN", "ports of the collector are taken", {
    details: faults,
    next: `npm run down:dev, if the stack's own collector has them, or change env/${settings.environment}.env`,
  });
}
