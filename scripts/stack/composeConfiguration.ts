import { compare } from "semver";
import { stringify } from "yaml";
import { Problem } from "../common/problem.ts";
import type { Lookup } from "../settings/readSettings.ts";
import { applySteps, checkVersion } from "./versionSteps.ts";
import { checkConfiguration, listTexts } from "./checkConfiguration.ts";
import { mergeFragments, type Section } from "./fragments.ts";

/** From here on what an environment variable holds is looked through for `$` as well. */
const expandsValues = "0.104.0";

/**
 * Whether each secret can reach what it is for unchanged: the collector reads it from its
 * environment, and sends it in a header. All that arrived at 0.96.0 and at 0.161.0 as it was:
 * a single $, #, ', ", %, :, @, /, leading zeros, what looks like a number, a list or null.
 * @returns one line for each that cannot, never with the value
 */
function checkSecrets(
  configuration: Section,
  places: ReadonlyMap<string, string>,
  lookup: Lookup,
  version: string,
): string[] {
  return listTexts(configuration).flatMap(({ path, text }) =>
    [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].flatMap(([, name = ""]) => {
      const value = lookup(name)?.value ?? "";
      const fault = faultOf(value, path.includes(".headers."), version);
      return fault === undefined ? [] : [`${places.get(path) ?? path}: ${name}: ${fault}`];
    }),
  );
}

function faultOf(value: string, grpcHeader: boolean, version: string): string | undefined {
  if (compare(version, expandsValues) >= 0 && /\$\$|\$\{/.test(value)) {
    return `expected none of $$ and \${, got one: the collector from ${expandsValues} on changes it`;
  }
  if (/\p{Cc}/u.test(value)) return "expected no control character, got one: no header carries it";
  if (value !== value.trim()) return "expected no space at its ends, got one: a header loses it";
  if (grpcHeader && /[^\u0020-\u007e]/.test(value)) {
    return "expected ASCII, got more: no header of gRPC carries it";
  }
  return undefined;
}

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
  const faults = [...checkVersion(version), ...merged.faults];
  if (faults.length === 0) {
    faults.push(...checkConfiguration(merged.configuration, merged.places));
    faults.push(...checkSecrets(merged.configuration, merged.places, lookup, version));
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
