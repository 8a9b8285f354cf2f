import type { Inspected } from "../docker/engine.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";
import { explainExporter } from "./explainExporter.ts";

/** A collector's container and what it says. */
export interface CollectorSeen {
  readonly inspected: Pick<Inspected, "state" | "health" | "exitCode" | "restarts" | "name">;
  /** What its `--version` says; undefined where it could not be asked. */
  readonly version: string | undefined;
  /** The last it wrote, without secrets. */
  readonly log: readonly string[];
}

/** What an exit code means, beyond the collector's own words. */
const exits: Readonly<Record<number, string>> = {
  0: "it was stopped",
  137: "killed: its memory ran out, or it did not stop in time",
  143: "it was stopped",
};

/**
 * Whether a collector runs, as the version that is set.
 * @param next the commands to go on with
 */
export function checkCollectorContainer(
  { inspected, version, log }: CollectorSeen,
  requested: string,
  next: { readonly bringUp: string; readonly logs: string },
): CheckResult {
  const { state, health, restarts, exitCode } = inspected;
  if (state !== "running" || health === "unhealthy") {
    const ended = exitCode === undefined ? "" : ` with ${exitCode}`;
    const means = exits[exitCode ?? -1] ?? lastWords(log);
    const how = state === "running" ? health : `${state}${ended}`;
    const nextCommand = exitCode === 0 || exitCode === 143 ? next.bringUp : next.logs;
    return failed(`${how}${means === undefined ? "" : `: ${means}`}`, nextCommand);
  }
  // Between two ends it runs for a moment.
  if (restarts > 0 && log.findLastIndex(isEnd) > log.findLastIndex(isReady)) {
    return failed(
      `started again ${restarts} times by the engine, and ends: ${lastWords(log)}`,
      next.logs,
    );
  }
  if (version !== undefined && version !== requested) {
    return failed(`${version} runs, OTEL_VERSION is ${requested}`, next.bringUp);
  }
  const again = restarts === 0 ? "" : `, started again ${restarts} times by the engine`;
  const checked = health === "none" ? "" : `, ${health}`;
  return passed(`${version ?? requested}${checked}${again}`);
}

const isEnd = (line: string) => /^(?:Error:|panic:|20.* Error:)/.test(line);
const isReady = (line: string) => line.includes("Everything is ready");

/** Why it ended, by the last that it wrote about it. */
function lastWords(log: readonly string[]): string | undefined {
  const trouble = explainExporter(log).at(-1);
  const start = log.findLast(isEnd);
  if (start?.includes("cannot start pipelines") && trouble !== undefined) {
    const { exporter, cause, meaning, said } = trouble;
    return `${exporter} ${cause}: ${meaning} (${said.slice(0, 200)})`.trimStart();
  }
  return start?.slice(0, 300);
}
