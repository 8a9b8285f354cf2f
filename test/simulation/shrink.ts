import { oneRun } from "./oneRun.ts";
import { shorter, type Schedule } from "./schedule.ts";

const mostTries = 80;

/** What did not hold, without what differs from run to run. */
function kindOf(violation: string): string {
  return violation.split("\n")[0]!.replaceAll(/\d+/g, "N");
}

/** Leaves out of a schedule what is not needed for it to fail in the same way. */
export async function shrink(schedule: Schedule, violations: readonly string[]): Promise<Schedule> {
  const kinds = violations.map(kindOf);
  let shortest = schedule;
  let tries = 0;
  for (;;) {
    let found: Schedule | undefined;
    for (const one of shorter(shortest)) {
      if ((tries += 1) > mostTries) return shortest;
      const seen = await oneRun(one);
      if (!seen.violations.some((other) => kinds.includes(kindOf(other)))) continue;
      found = one;
      break;
    }
    if (found === undefined) return shortest;
    shortest = found;
  }
}
