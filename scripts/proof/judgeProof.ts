import { spansCheck, type Check } from "../verification/verify.ts";

export interface ProofCircumstances {
  readonly telemetryCounts: boolean;
  /** Whether the release made or changed a part of the telemetry. */
  readonly changesTelemetry: boolean;
}

export interface JudgedProof {
  /** What the release answers for. */
  readonly counted: readonly Check[];
  /** What failed, and is not the release's doing or has to wait. */
  readonly degraded: readonly Check[];
}

/**
 * Which checks a release answers for. A sink that is away must not keep anybody from
 * deploying a repair, nor in an incident from going back: there only the server counts. Whoever
 * changes such a part has to show that all still arrives, unless telemetry counts for nothing. Pure.
 */
export function judgeProof(
  checks: readonly Check[],
  { telemetryCounts, changesTelemetry }: ProofCircumstances,
): JudgedProof {
  const telemetry = checks.filter((one) => one.outcome === "failed" && one.about === "telemetry");
  // Where canaries do not arrive either, spans that are missing say nothing of the server.
  const explains = telemetry.some((one) => one.name !== spansCheck);
  const degraded = !telemetryCounts || (!changesTelemetry && explains) ? telemetry : [];
  return { counted: checks.filter((one) => !degraded.includes(one)), degraded };
}
