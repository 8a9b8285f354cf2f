import assert from "node:assert/strict";
import { test } from "node:test";
import type { Release } from "../../scripts/state/release.ts";
import { assertGated, describeGate } from "../../scripts/deploy/describePlan.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { settingsOf, targetOf } from "./exampleTarget.ts";

const present: Release = { ...exampleRelease("000003", { tag: "0.16.7" }), format: 2 };
const asked = targetOf(settingsOf("prod", { BAKE_GATE: "true" }));

test("a plan tells from where on a deploy rolls back automatically", () => {
  assert.deepEqual(describeGate(asked, present, false), [
    "bake gate: 10s; where of 20 requests or more over 5 points more fail than before, or the p95 is over 2 times as long, the deploy rolls back to 0.16.7",
  ]);
});

test("a plan with a migration tells that nothing is turned back", () => {
  const [line] = describeGate(asked, present, true);
  assert.match(
    line!,
    /, the release stays, because the schema changes, and the deploy ends with exit code 5$/,
  );
});

test("a plan is silent where no one asked, before the first release and of a rollback", () => {
  assert.deepEqual(describeGate(targetOf(settingsOf("prod")), present, false), []);
  assert.deepEqual(describeGate(asked, undefined, false), []);
  const back = targetOf(settingsOf("prod", { BAKE_GATE: "true" }), "000002");
  assert.deepEqual(describeGate(back, present, false), []);
});

const signoz = { SIGNOZ_ENDPOINT: "signoz:4317", SIGNOZ_INGESTION_KEY: "0123456789abcdef0123" };

test("a gate whose spans no one can read back is refused, and where they go is named", () => {
  const blind = targetOf(settingsOf("prod", { BAKE_GATE: "true", ...signoz }));
  assert.throws(() => assertGated(blind, present), {
    code: "TELEMETRY_UNREADABLE",
    exit: 3,
    message: "BAKE_GATE is true, and no sink of traces can be read back (otlp/signoz)",
    next: "set BAKE_GATE=false in env/prod.env",
  });
  assertGated(blind, undefined);
  assertGated(targetOf(settingsOf("prod", signoz)), present);
  assertGated(asked, present);
});
