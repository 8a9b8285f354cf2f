import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { changeHost, observeHost, planEngineInstall, planEngineStart } from "../docker/host.ts";
import { isInstalled } from "../docker/isInstalled.ts";
import type { Context } from "../state/context.ts";

/** start_interval of health checks came with engine 25, inline configs with Compose 2.23.1. */
const oldest = { engine: "25.0.0", compose: "2.23.1" } as const;

const startLimitMs = 30_000;
const local = "unix:///var/run/docker.sock";

/**
 * Makes sure that an engine answers: a local one is started, or installed and started,
 * after asking.
 * @throws Problem ENGINE_UNREACHABLE, HOST_UNSUPPORTED, CONFIRMATION_NEEDED, DECLINED
 */
export async function ensureEngine(context: Context): Promise<void> {
  const fault = await faultOf(context);
  if (fault === undefined) return;
  if (fault === "EACCES") {
    throw new Problem("ENGINE_UNREACHABLE", `${context.engine.endpoint}: permission denied`, {
      next: "sudo usermod -aG docker $USER   (then log in again), or run it as root",
    });
  }
  if (context.engine.endpoint !== local) {
    throw new Problem(
      "ENGINE_UNREACHABLE",
      `${context.engine.endpoint}: expected an engine, got ${fault}`,
      {
        next: "docker context ls",
      },
    );
  }
  const host = observeHost();
  const install = isInstalled("dockerd") && isInstalled("docker") ? [] : planEngineInstall(host);
  const changes = [...install, planEngineStart(host)];
  const description = changes.map(
    (change) => `${change.description}: ${change.script.split("\n")[0]}`,
  );
  await context.reporter.confirm("No Docker engine answers. Do this on the host?", description);
  for (const change of changes) {
    await context.reporter.step(change.description, () =>
      changeHost(change, context.processEnvironment),
    );
  }
  await context.reporter.step("engine answers", () => answers(context));
}

/**
 * @throws Problem ENGINE_TOO_OLD naming both versions
 */
export async function assertVersions(context: Context): Promise<void> {
  const [found, { default: gte }, { default: coerce }] = await Promise.all([
    context.engine.versions(),
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

async function faultOf(context: Context): Promise<string | undefined> {
  try {
    await context.engine.ping();
    return undefined;
  } catch (error) {
    if (error instanceof Problem) throw error;
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

async function answers(context: Context): Promise<void> {
  const started = context.now();
  while ((await faultOf(context)) !== undefined) {
    context.signal.throwIfAborted();
    if (context.now() - started > startLimitMs) {
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
