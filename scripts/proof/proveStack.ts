import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import type { Tools } from "../parts/tools.ts";
import type { PreparedStack } from "../preparation/prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import {
  verify,
  verifyQuickly,
  verifyServer,
  verifySpans,
  verifyTelemetry,
  type Check,
} from "../verification/verify.ts";
import { expectationOf } from "./expectationOf.ts";
import { judgeProof, type ProofCircumstances } from "./judgeProof.ts";

/**
 * A quick look asks whether what runs still answers; the whole proof sends canaries too, and
 * waits for the server's spans; the proof in an incident leaves those out, as they take as
 * long as all batches on their way. Spans alone are what the bake gate waits for.
 */
export type Depth = "quick" | "whole" | "telemetry" | "server" | "spans";

const depths = {
  quick: verifyQuickly,
  whole: verify,
  telemetry: verifyTelemetry,
  server: verifyServer,
  spans: verifySpans,
} as const;

/** Proves a running stack against what its rendered form promises. */
export function proveStack(
  settings: Settings,
  prepared: Pick<PreparedStack, "stack" | "collector">,
  directory: string,
  tools: Tools,
  depth: Depth,
): Promise<Check[]> {
  // A quick look follows nothing on its way.
  const followed = depth === "quick" ? { ...prepared, collector: "" } : prepared;
  const expected = expectationOf(settings, followed, directory, tools);
  return depths[depth](expected, {
    engine: tools.engine,
    now: tools.now,
    randomId: () => tools.randomBytes(8).toString("hex"),
    redact: redaction(settings.sensitive()),
  });
}

/** @throws Problem STEP_FAILED naming each check that failed */
export function expectPassed(checks: readonly Check[], environment: string): void {
  const failed = checks.filter((one) => one.outcome === "failed");
  if (failed.length === 0) return;
  throw new Problem("STEP_FAILED", `${failed.length} of ${checks.length} checks failed`, {
    details: failed.map((one) => `${one.name}: ${one.detail}`),
    next: `npm run logs -- ${environment}`,
  });
}

/**
 * The same for what a release answers for; what else failed is told.
 * @returns the checks that fail as the server failed before anything was touched
 * @throws Problem STEP_FAILED
 */
export function expectProven(
  checks: readonly Check[],
  circumstances: ProofCircumstances,
  environment: string,
  tools: Pick<Tools, "say">,
): readonly Check[] {
  const { counted, degraded, failedBefore } = judgeProof(checks, circumstances);
  expectPassed(counted, environment);
  for (const { name, detail } of failedBefore)
    tools.say.note(`failed before too, the release goes on: ${name}: ${detail}`);
  for (const { name, detail } of degraded)
    tools.say.note(`telemetry is degraded, the release goes on: ${name}: ${detail}`);
  return failedBefore;
}

/** "9 checks passed, 1 failed (canary trace), 1 skipped (Grafana link: GRAFANA is off)". */
export function checksSummary(checks: readonly Check[]): string {
  const of = (outcome: Check["outcome"]) => checks.filter((one) => one.outcome === outcome);
  const failed = of("failed").map((one) => one.name);
  const skipped = of("skipped").map((one) => `${one.name}: ${one.detail}`);
  return [
    `${of("passed").length} checks passed`,
    ...(failed.length > 0 ? [`${failed.length} failed (${failed.join(", ")})`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} skipped (${skipped.join("; ")})`] : []),
  ].join(", ");
}
