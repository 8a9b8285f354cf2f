import assert from "node:assert/strict";
import { test } from "node:test";
import { checkVersion, skippedVersions, triedVersions } from "../../scripts/stack/versionSteps.ts";

for (const version of [...Object.values(triedVersions), "0.102.1", "0.106.1", "0.130.1"]) {
  test(`${version} may be used`, () => {
    assert.deepEqual(checkVersion(version), []);
  });
}

for (const [version, why] of [
  ["0.95.0", "never tried below it"],
  ["9.0.0", "newer than any that was tried"],
  ["latest", "got latest"],
  ["0.104.0", "a password such as 0123 arrives as 83"],
  ["0.105.0", "a password such as 0123 arrives as 83"],
  ["0.107.0", "opentelemetry-collector-contrib#34717"],
  ["0.130.0", "0.130.1 does not"],
] as const) {
  test(`${version} is refused with the reason: ${why}`, () => {
    const [line, ...more] = checkVersion(version);
    assert.ok(line?.includes(why) === true, line ?? "no line");
    assert.deepEqual(more, []);
  });
}

test("every version that is skipped has its reason and its source", () => {
  for (const { range, reason, source } of skippedVersions) {
    assert.ok(reason !== "" && source !== "", range);
  }
});
