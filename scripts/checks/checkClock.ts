import { failed, passed, skipped, type CheckResult } from "./runCheck.ts";

/** What a clock elsewhere showed, and what this machine's showed before and after asking. */
export interface ClockSeen {
  readonly where: string;
  readonly atMs: number;
  /** How exact it is, in milliseconds. */
  readonly stepMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** Below it, order and age of telemetry from two machines can still be compared. */
const toleratedMs = 2000;

/** Whether the clocks of all parts agree with this machine's: times are compared between them. */
export function checkClock(clocks: readonly ClockSeen[], next: string): CheckResult {
  if (clocks.length === 0) return skipped("no other clock could be read");
  const differences = clocks.map((one) => ({ where: one.where, ms: difference(one) }));
  const off = differences.filter((one) => Math.abs(one.ms) > toleratedMs);
  const reported = differences.map(({ where, ms }) => `${where} ${(ms / 1000).toFixed(1)} s`);
  if (off.length === 0) return passed(`differences: ${reported.join(", ")}`);
  const which = off.map((one) => one.where).join(", ");
  return failed(
    `${which}: expected less than ${toleratedMs / 1000} s of difference, got ${reported.join(", ")}; what it writes has another time, and is found late or not`,
    next,
  );
}

/** How far it is ahead, as little as what was seen allows. */
function difference({ atMs, stepMs, beforeMs, afterMs }: ClockSeen): number {
  if (atMs > afterMs) return atMs - afterMs;
  if (atMs + stepMs < beforeMs) return atMs + stepMs - beforeMs;
  return 0;
}
