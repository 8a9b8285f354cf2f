import type { Check } from "../checks/verify.ts";

/**
 * How a verification that did not end its command is shown: whatever of the server had failed
 * would have.
 * @returns words for the headline, and a row about telemetry that does not arrive
 */
export function verificationSummary(checks: readonly Check[], environment: string) {
  const degraded = checks.filter((one) => one.outcome === "failed").map((one) => one.name);
  if (degraded.length === 0) return { verified: "verified", rows: [] };
  const row = ["telemetry", `degraded: ${degraded.join(", ")}; npm run doctor -- ${environment}`];
  return { verified: "its server verified", rows: [row] };
}
