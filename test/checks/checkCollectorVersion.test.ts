import assert from "node:assert/strict";
import { test } from "node:test";
import { triedVersions } from "../../scripts/stack/versionSteps.ts";
import { checkCollectorVersion } from "../../scripts/checks/checkTelemetrySettings.ts";

test("the oldest version passes, with each step on the way to the newest", () => {
  const { outcome, detail, notes } = checkCollectorVersion(triedVersions.oldest, "dev");
  assert.equal(outcome, "passed");
  assert.ok(detail.endsWith(triedVersions.newest), detail);
  assert.ok(notes.some((line) => line.includes("CVE-2024-36129")));
});

test("the newest version has nothing before it", () => {
  assert.deepEqual(checkCollectorVersion(triedVersions.newest, "dev").notes, []);
});

test("a version that is to be skipped is refused with the reason", () => {
  const { outcome, detail, next } = checkCollectorVersion("0.107.0", "prod");
  assert.equal(outcome, "failed");
  assert.match(detail, /every insert of logs fails/);
  assert.equal(next, "npm run settings -- prod --explain OTEL_VERSION");
});
