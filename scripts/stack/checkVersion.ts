import { compare, satisfies, valid } from "semver";
import { triedVersions } from "./triedVersions.ts";

interface SkippedVersion {
  /** As semver writes ranges. */
  readonly range: string;
  readonly reason: string;
  readonly source: string;
}

/** Versions between the tried ones that must not be used, and why. */
export const skippedVersions: readonly SkippedVersion[] = [
  {
    range: ">=0.104.0 <0.106.0",
    reason:
      "it reads a value from its environment as YAML, so that a password such as 0123 arrives as 83",
    source: "opentelemetry-collector changelog 0.104.0, 0.105.0 and 0.106.0",
  },
  {
    range: "0.107.x",
    reason: "its ClickHouse driver loses the column list, and every insert of logs fails",
    source: "opentelemetry-collector-contrib#34717",
  },
  {
    range: "0.130.0",
    reason: "it gives its own metrics other names (otelcol_…__spans__total); 0.130.1 does not",
    source: "opentelemetry-collector changelog 0.130.1",
  },
];

/**
 * Whether a version of the collector may be used at all.
 * @returns one line if not, with the reason
 */
export function checkVersion(version: string): string[] {
  const { oldest, newest } = triedVersions;
  const refused = (why: string) => [`OTEL_VERSION: expected ${oldest} to ${newest}, ${why}`];
  if (valid(version) === null) return refused(`got ${version}`);
  if (compare(version, oldest) < 0) {
    return refused(`got ${version}: what is written for ${oldest} was never tried below it`);
  }
  if (compare(version, newest) > 0) {
    return refused(`got ${version}: newer than any that was tried`);
  }
  const skipped = skippedVersions.find((one) => satisfies(version, one.range));
  if (skipped === undefined) return [];
  return refused(`but not ${version}: ${skipped.reason} (${skipped.source})`);
}
