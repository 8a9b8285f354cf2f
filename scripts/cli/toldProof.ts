import type { Check } from "../verification/verify.ts";

/**
 * How people are told of a proof that did not end its command: whatever of the server had failed
 * would have.
 * @returns words for the headline, and a row about telemetry that does not arrive
 */
export function toldProof(checks: readonly Check[], environment: string) {
  const degraded = checks.filter((one) => one.outcome === "failed").map((one) => one.name);
  if (degraded.length === 0) return { proven: "proven", rows: [] };
  const row = ["telemetry", `degraded: ${degraded.join(", ")}; npm run doctor -- ${environment}`];
  return { proven: "its server proven", rows: [row] };
}
