import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import type { Context } from "../state/context.ts";
import type { PreparedStack } from "./prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import {
  verify,
  verifyQuickly,
  verifyServer,
  verifySpans,
  verifyTelemetry,
  type Check,
} from "../checks/verify.ts";
import { expectationOf } from "./expectationOf.ts";
import { classifyChecks, type VerificationCircumstances } from "./classifyChecks.ts";

/**
 * A quick look asks whether what runs still answers; the full verification sends canaries too, and
 * waits for the server's spans; the verification of a fast rollback leaves those out, as they take as
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

/** Verifies a running stack against what its rendered form promises. */
export function verifyRelease(
  settings: Settings,
  prepared: Pick<PreparedStack, "stack" | "collector">,
  directory: string,
  context: Context,
  depth: Depth,
): Promise<Check[]> {
  // A quick look follows nothing on its way.
  const followed = depth === "quick" ? { ...prepared, collector: "" } : prepared;
  const expected = expectationOf(settings, followed, directory, context);
  return depths[depth](expected, {
    engine: context.engine,
    now: context.now,
    randomId: () => context.randomBytes(8).toString("hex"),
    redact: redaction(settings.sensitive()),
  });
}

/** @throws Problem STEP_FAILED naming each check that failed */
export function assertPassed(checks: readonly Check[], environment: string): void {
  const failed = checks.filter((one) => one.outcome === "failed");
  if (failed.length === 0) return;
  throw new Problem("STEP_FAILED", `${failed.length} of ${checks.length} checks failed`, {
    details: failed.map((one) => `${one.name}: ${one.detail}`),
    next: `npm run logs -- ${environment}`,
  });
}

/**
 * The same for what a release answers for; other failures are reported.
 * @returns the checks that fail as the server failed before anything was touched
 * @throws Problem STEP_FAILED
 */
export function assertVerified(
  checks: readonly Check[],
  circumstances: VerificationCircumstances,
  environment: string,
  context: Pick<Context, "reporter">,
): readonly Check[] {
  const { counted, degraded, failedBefore } = classifyChecks(checks, circumstances);
  assertPassed(counted, environment);
  for (const { name, detail } of failedBefore)
    context.reporter.note(`failed before too, the release goes on: ${name}: ${detail}`);
  for (const { name, detail } of degraded)
    context.reporter.note(`telemetry is degraded, the release goes on: ${name}: ${detail}`);
  return failedBefore;
}

/** "9 checks passed, 1 failed (canary trace), 1 skipped (Grafana link: GRAFANA_ENABLED is off)". */
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
