import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Platform } from "../../docker/collectorPlatform.ts";
import type { InstalledCollector } from "../../state/installedCollector.ts";
import { takeLock } from "../../state/lock.ts";
import { deviceId, secretKey } from "../../state/secretKey.ts";
import { stateDirectory } from "../../state/stateDirectory.ts";
import type { Context } from "../../state/context.ts";
import type { Settings } from "../../settings/readSettings.ts";
import { localPlan, writeLocalPlan, type LocalPlan } from "./localPlan.ts";
import { obtainCollector } from "./obtainCollector.ts";
import { startCollector, checkLocalConfiguration } from "./startCollector.ts";

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
    await context.reporter.step("judge its configuration", () =>
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
