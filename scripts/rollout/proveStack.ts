import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
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
import type { PreparedStack } from "./prepareStack.ts";
import type { Tools } from "./tools.ts";

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

/** "9 checks passed, 1 skipped (Grafana link: GRAFANA is off)". */
export function checksSummary(checks: readonly Check[]): string {
  const passed = checks.filter((one) => one.outcome === "passed").length;
  const skipped = checks.filter((one) => one.outcome === "skipped");
  const reasons = skipped.map((one) => `${one.name}: ${one.detail}`).join("; ");
  return `${passed} checks passed${skipped.length > 0 ? `, ${skipped.length} skipped (${reasons})` : ""}`;
}
