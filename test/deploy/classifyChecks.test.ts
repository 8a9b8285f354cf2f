import assert from "node:assert/strict";
import { test } from "node:test";
import { classifyChecks } from "../../scripts/deploy/verifyRelease.ts";
import { spansCheck, type Check } from "../../scripts/checks/verify.ts";

const check = (name: string, outcome: Check["outcome"], description?: "telemetry"): Check => ({
  name,
  outcome,
  detail: "",
  ...(description ? { description } : {}),
});
const server = (outcome: Check["outcome"]) => check("database read", outcome);
const canary = (outcome: Check["outcome"]) => check("canary trace", outcome, "telemetry");
const spans = (outcome: Check["outcome"]) => check(spansCheck, outcome, "telemetry");

const deploy = { telemetryCounts: true, changesTelemetry: false };
const collectorToo = { telemetryCounts: true, changesTelemetry: true };
const fast = { telemetryCounts: false, changesTelemetry: true };

function degraded(checks: Check[], circumstances: typeof deploy) {
  const judged = classifyChecks(checks, circumstances);
  const { counted, failedBefore } = judged;
  assert.equal(counted.length + judged.degraded.length + failedBefore.length, checks.length);
  return judged.degraded.map((one) => one.name);
}

test("what the server does not do counts always", () => {
  for (const circumstances of [deploy, collectorToo, fast])
    assert.deepEqual(degraded([server("failed"), canary("passed")], circumstances), []);
});

test("a sink that is away keeps no one from deploying a server", () => {
  const checks = [server("passed"), canary("failed"), spans("failed")];
  assert.deepEqual(degraded(checks, deploy), ["canary trace", spansCheck]);
});

test("where canaries arrive and the server's spans do not, the server does not send them", () => {
  assert.deepEqual(degraded([canary("passed"), spans("failed")], deploy), []);
});

test("who changes a collector has to show that all arrives", () => {
  assert.deepEqual(degraded([canary("failed")], collectorToo), []);
});

test("in an incident only the server counts", () => {
  const checks = [server("passed"), canary("failed"), spans("failed")];
  assert.deepEqual(degraded(checks, fast), ["canary trace", spansCheck]);
});

test("what fails as the server failed before does not count; what fails otherwise does", () => {
  const says = (detail: string): Check => ({ name: "database read", outcome: "failed", detail });
  const [crowded, late, other] = [
    says("expected 200 from /v1/agents/?limit=1, got 500"),
    says("https://127.0.0.1:8443/v1/agents/: no answer within 30 s"),
    says("expected 2.0.0, got 1.0.0"),
  ];
  const judged = (before: ("5xx" | "no answer")[]) =>
    classifyChecks([crowded, late, other], { ...deploy, before });
  assert.deepEqual(judged([]).counted, [crowded, late, other]);
  assert.deepEqual(judged(["5xx"]).failedBefore, [crowded]);
  assert.deepEqual(judged(["5xx"]).counted, [late, other]);
  assert.deepEqual(judged(["5xx", "no answer"]).counted, [other]);
});
