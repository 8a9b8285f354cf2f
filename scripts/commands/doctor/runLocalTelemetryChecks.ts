import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseProfile } from "../../stack/fragments.ts";
import {
  type CheckResult,
  failed,
  type Finding,
  passed,
  runCheck,
  skipped,
} from "../../checks/check.ts";
import {
  checkCollectorVersion,
  checkParameters,
  checkTelemetrySettings,
} from "../../checks/checkTelemetrySettings.ts";
import { checkPrivacy } from "../../checks/checkClickHouse.ts";
import { downloadFile } from "../../docker/downloadFile.ts";
import {
  collectorPlatform,
  collectorRelease,
  listedChecksum,
} from "../../docker/collectorBinary.ts";
import { installedCollector } from "../../state/installedCollector.ts";
import type { Context } from "../../state/context.ts";
import { caCertificate } from "../../deploy/caCertificate.ts";
import type { Settings } from "../../settings/readSettings.ts";
import type { Machine } from "./telemetryScene.ts";

/** How long a release address may be silent before the other checks have to wait. */
const patienceMs = 5000;
const listLimit = 1024 * 1024;

/** What can be said of telemetry while nothing runs: the machine, the settings, the versions. */
export async function runLocalTelemetryChecks(
  settings: Settings,
  context: Context,
  machine: Machine,
): Promise<Finding[]> {
  const { environment } = settings;
  const version = settings.get("OTEL_VERSION");
  const removed = settings.get("OTEL_REMOVED_ATTRIBUTES");
  const look = (name: string, make: () => CheckResult | Promise<CheckResult>) =>
    runCheck(name, make, "npm run doctor -- --verbose");
  return (
    await Promise.all([
      look("platform", () => {
        const { os, arch } = collectorPlatform(machine.system, machine.arch);
        return passed(`${os} ${arch}`);
      }),
      look("local collector", () => installed(settings)),
      look("release address", () => releaseAddress(settings, machine, context)),
      look("collector version", () => checkCollectorVersion(version, environment)),
      ...checkTelemetrySettings({
        environment,
        profile: chooseProfile(environment, settings.lookup).profile,
        get: (name) => (settings.missing.includes(name) ? "" : settings.get(name)),
      }),
      look("trusted certificate", () => {
        const found = caCertificate(settings);
        return found === undefined
          ? skipped("OTEL_CA_FILE is not set")
          : passed(settings.get("OTEL_CA_FILE"));
      }),
      look("span parameters", () =>
        checkParameters(removed, settings.get("OTEL_SAMPLING_PERCENT")),
      ),
      look("privacy of spans", () => checkPrivacy(environment, removed)),
    ])
  ).flat();
}

/** Only `npm run collector` needs one: that there is none is no fault. */
async function installed(settings: Settings): Promise<CheckResult> {
  const version = settings.get("OTEL_VERSION");
  const folder = join(settings.stateDir, "bin");
  const found = await installedCollector(folder, version);
  if (found !== undefined) return passed(`${version} in ${found.path}, from ${found.source}`);
  const recorded = (existsSync(folder) ? readdirSync(folder) : []).flatMap((name) => {
    const [, of] = /^otelcol-contrib-(\d+\.\d+\.\d+)\.json$/.exec(name) ?? [];
    return of === undefined ? [] : [of];
  });
  const next = "npm run collector install";
  if (recorded.includes(version)) {
    return failed(`${version} in ${folder} is not the file that was verified any more`, next);
  }
  const others = recorded.length === 0 ? "" : ` (${recorded.join(", ")} is)`;
  return skipped(`${version} is not installed${others}: only npm run collector needs it`);
}

/** Whether the release that would be installed can be downloaded, by its list of checksums. */
async function releaseAddress(
  settings: Settings,
  machine: Machine,
  context: Context,
): Promise<CheckResult> {
  const version = settings.get("OTEL_VERSION");
  if ((await installedCollector(join(settings.stateDir, "bin"), version)) !== undefined) {
    return skipped(`${version} is installed`);
  }
  const base = settings.get("OTEL_RELEASE_URL");
  if (base === "") return skipped("OTEL_RELEASE_URL is not set: it comes from its image");
  const platform = collectorPlatform(machine.system, machine.arch);
  const release = collectorRelease(base, version, platform);
  const folder = mkdtempSync(join(tmpdir(), "letta-stack-doctor-"));
  const next = `npm run settings -- ${settings.environment} --explain OTEL_RELEASE_URL`;
  try {
    const options = { limit: listLimit, patienceMs, signal: context.signal };
    let why = "";
    for (const [index, url] of release.checksums.entries()) {
      const path = join(folder, String(index));
      const got = await downloadFile(url, path, {
        ...options,
        environment: context.processEnvironment,
      });
      if (got.outcome === "unreachable") {
        return skipped(`out of reach (${got.why}): it would come from its image`, next);
      }
      if (got.outcome === "fetched") {
        const listed = listedChecksum(readFileSync(path, "utf8"), release.archive);
        if (listed !== undefined) return passed(`it has ${release.archive}`);
        why ||= `${url} does not list ${release.archive}`;
      } else why ||= got.why;
    }
    return failed(`no release ${version} for this machine: ${why}`, next);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
