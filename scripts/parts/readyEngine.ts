import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { changeHost, observeHost, planEngineInstall, planEngineStart } from "../engine/host.ts";
import { isInstalled } from "../engine/isInstalled.ts";
import type { Tools } from "./tools.ts";

/** start_interval of health checks came with engine 25, inline configs with Compose 2.23.1. */
const oldest = { engine: "25.0.0", compose: "2.23.1" } as const;

const startLimitMs = 30_000;
const local = "unix:///var/run/docker.sock";

/**
 * Makes sure that an engine answers: a local one is started, or installed and started,
 * after asking.
 * @throws Problem ENGINE_UNREACHABLE, HOST_UNSUPPORTED, CONFIRMATION_NEEDED, DECLINED
 */
export async function readyEngine(tools: Tools): Promise<void> {
  const fault = await faultOf(tools);
  if (fault === undefined) return;
  if (fault === "EACCES") {
    throw new Problem("ENGINE_UNREACHABLE", `${tools.engine.endpoint}: permission denied`, {
      next: "sudo usermod -aG docker $USER   (then log in again), or run it as root",
    });
  }
  if (tools.engine.endpoint !== local) {
    throw new Problem(
      "ENGINE_UNREACHABLE",
      `${tools.engine.endpoint}: expected an engine, got ${fault}`,
      {
        next: "docker context ls",
      },
    );
  }
  const host = observeHost();
  const install = isInstalled("dockerd") && isInstalled("docker") ? [] : planEngineInstall(host);
  const changes = [...install, planEngineStart(host)];
  const about = changes.map((change) => `${change.about}: ${change.script.split("\n")[0]}`);
  await tools.say.confirm("No Docker engine answers. Do this on the host?", about);
  for (const change of changes) {
    await tools.say.step(change.about, () => changeHost(change, tools.processEnvironment));
  }
  await tools.say.step("engine answers", () => answers(tools));
}

/**
 * @throws Problem ENGINE_TOO_OLD naming both versions
 */
export async function expectVersions(tools: Tools): Promise<void> {
  const [found, { default: gte }, { default: coerce }] = await Promise.all([
    tools.engine.versions(),
    import("semver/functions/gte.js"),
    import("semver/functions/coerce.js"),
  ]);
  for (const part of ["engine", "compose"] as const) {
    // Debian's "2.40.3-3" counts as a prerelease of 2.40.3 unless it is coerced.
    if (gte(coerce(found[part]) ?? "0.0.0", oldest[part])) continue;
    throw new Problem(
      "ENGINE_TOO_OLD",
      `expected ${part} ${oldest[part]} or later, got ${found[part]}`,
      {
        next: "https://docs.docker.com/engine/install/",
      },
    );
  }
}

async function faultOf(tools: Tools): Promise<string | undefined> {
  try {
    await tools.engine.ping();
    return undefined;
  } catch (error) {
    if (error instanceof Problem) throw error;
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

async function answers(tools: Tools): Promise<void> {
  const started = tools.now();
  while ((await faultOf(tools)) !== undefined) {
    tools.signal.throwIfAborted();
    if (tools.now() - started > startLimitMs) {
      throw new Problem(
        "ENGINE_UNREACHABLE",
        `expected the engine within ${startLimitMs / 1000} s, got nothing`,
        {
          next: "tail /var/log/dockerd.log   (with systemd: journalctl -u docker)",
        },
      );
    }
    await sleep(100);
  }
}
