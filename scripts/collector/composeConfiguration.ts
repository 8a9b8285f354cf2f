import { stringify } from "yaml";
import { Problem } from "../common/problem.ts";
import type { Lookup } from "../settings/fillSettings.ts";
import { applySteps } from "./applySteps.ts";
import { judgeConfiguration } from "./judgeConfiguration.ts";
import { judgeSecrets } from "./judgeSecrets.ts";
import { judgeVersion } from "./judgeVersion.ts";
import { mergeFragments } from "./mergeFragments.ts";

export interface ComposeOptions {
  /** Of the collector that is to read it; without one, what OTEL_VERSION says. */
  readonly version?: string;
  /** Which of several collectors it is for, from 1; the first alone reads log files. */
  readonly replica?: number;
  /** The installation's own id, which its telemetry carries. */
  readonly deviceId?: string;
}

/**
 * The collector's configuration from fragments of otel/, for one version of it.
 * @param root the project's directory
 * @param fragments names without ending, lowest first, as chooseProfile gives them
 * @returns YAML text, the same bytes for the same parts
 * @throws Problem COLLECTOR_INVALID with every fault, at its file and line where it has one
 */
export function composeConfiguration(
  root: string,
  fragments: readonly string[],
  lookup: Lookup,
  options: ComposeOptions = {},
): string {
  const version = options.version ?? (lookup("OTEL_VERSION")?.value || "0.96.0");
  const replica = options.replica ?? 1;
  const chosen = fragments.filter((name) => replica === 1 || !["logs", "access"].includes(name));
  const own: Readonly<Record<string, string>> = {
    COLLECTOR_REPLICA: collectorName(replica),
    DEVICE_ID: options.deviceId ?? "unknown",
  };
  const merged = mergeFragments(root, chosen, (name) =>
    name in own ? { value: own[name]!, secret: false } : lookup(name),
  );
  const faults = [...judgeVersion(version), ...merged.faults];
  if (faults.length === 0) {
    faults.push(...judgeConfiguration(merged.configuration, merged.places));
    faults.push(...judgeSecrets(merged.configuration, merged.places, lookup, version));
  }
  if (faults.length > 0) {
    throw new Problem("COLLECTOR_INVALID", "the collector's configuration is not usable", {
      details: faults,
    });
  }
  const configuration = applySteps(merged.configuration, version);
  return stringify(configuration, { compat: "yaml-1.1", lineWidth: 0 });
}

/** The first is called as the only one would be. */
export function collectorName(replica: number): string {
  return replica === 1 ? "collector" : `collector-${replica}`;
}
