import { durationMs } from "../../common/durationMs.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../../common/problem.ts";
import { isFree, portHolder } from "../../docker/portHolder.ts";
import { runProgram } from "../../docker/runProgram.ts";
import { superviseProgram, type Supervised } from "../../docker/superviseProgram.ts";
import type { Context } from "../../state/context.ts";
import type { Settings } from "../../settings/readSettings.ts";
import { request } from "../../checks/request.ts";
import type { LocalPlan } from "./localPlan.ts";

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
export async function checkLocalConfiguration(
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
export async function startCollector(
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
    details: ["its own words stand above"],
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
