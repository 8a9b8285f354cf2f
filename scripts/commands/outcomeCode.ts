/**
 * How a verification ends: 5 where a check failed (a person must act), 10 where what runs
 * differs from what was asked for, else 0.
 */
export function outcomeCode(failed: number, drift: number, environment: string) {
  if (failed > 0) {
    const next = `npm run logs -- ${environment}`;
    const message = `${failed} checks failed`;
    return { exit: { exit: 5 }, fields: { code: "STEP_FAILED", exit: 5, message, next } };
  }
  if (drift > 0) {
    const next = `npm run plan -- ${environment}`;
    const message = `${drift} parts differ from what was asked for`;
    return { exit: { exit: 10 }, fields: { code: "DIFFERENCES", exit: 10, message, next } };
  }
  return { exit: {}, fields: {} };
}
