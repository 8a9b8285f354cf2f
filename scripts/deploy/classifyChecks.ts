import { failureKind, type FailureKind } from "../common/failureKind.ts";
import { spansCheck, type Check } from "../checks/verify.ts";

export interface VerificationCircumstances {
  readonly telemetryCounts: boolean;
  /** Whether the release made or changed a part of the telemetry. */
  readonly changesTelemetry: boolean;
  /** How the server failed already before anything was touched. */
  readonly before?: readonly FailureKind[];
}

export interface ClassifiedChecks {
  /** What the release answers for. */
  readonly counted: readonly Check[];
  /** What failed, and is not the release's doing or has to wait. */
  readonly degraded: readonly Check[];
  /** What fails as the server failed before: not the release's doing either. */
  readonly failedBefore: readonly Check[];
}

/**
 * Which checks a release answers for. A sink that is away must not keep anybody from
 * deploying a repair, nor in an incident from going back: there only the server counts. A run that
 * changes such a service has to show that all still arrives, unless telemetry counts for nothing. Pure.
 */
export function classifyChecks(
  checks: readonly Check[],
  { telemetryCounts, changesTelemetry, before = [] }: VerificationCircumstances,
): ClassifiedChecks {
  const failedBefore = checks.filter(({ outcome, detail }) => {
    const kind = failureKind(detail);
    return outcome === "failed" && kind !== undefined && before.includes(kind);
  });
  const own = checks.filter((one) => !failedBefore.includes(one));
  const telemetry = own.filter(
    (one) => one.outcome === "failed" && one.description === "telemetry",
  );
  // Where canaries do not arrive either, spans that are missing say nothing of the server.
  const explains = telemetry.some((one) => one.name !== spansCheck);
  const degraded = !telemetryCounts || (!changesTelemetry && explains) ? telemetry : [];
  return { counted: own.filter((one) => !degraded.includes(one)), degraded, failedBefore };
}
