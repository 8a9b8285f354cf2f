import { compare, satisfies, valid } from "semver";
import { skippedVersions } from "./skippedVersions.ts";
import { triedVersions } from "./triedVersions.ts";

/**
 * Whether a version of the collector may be used at all.
 * @returns one line if not, with the reason
 */
export function judgeVersion(version: string): string[] {
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
