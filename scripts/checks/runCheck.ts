import { Problem } from "../common/problem.ts";

/** What a check of the doctor found. */
export interface Finding {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** What was seen, or the cause; for a skipped check why it could not be made. */
  readonly detail: string;
  /** The command to go on with. */
  readonly next: string | null;
  /** One line each: what else to know. */
  readonly notes: readonly string[];
}

/** A finding before it has a name. */
export type CheckResult = Omit<Finding, "name">;

/** What was found is as it should be. */
export function passed(detail: string, notes: readonly string[] = []): CheckResult {
  return { outcome: "passed", detail, next: null, notes };
}

/** What was found is not as it should be: its cause, and the command that leads on. */
export function failed(detail: string, next: string, notes: readonly string[] = []): CheckResult {
  return { outcome: "failed", detail, next, notes };
}

/** Nothing could be found out, or there is nothing to look at. */
export function skipped(
  detail: string,
  next: string | null = null,
  notes: readonly string[] = [],
): CheckResult {
  return { outcome: "skipped", detail, next, notes };
}

/**
 * Makes one check. What it throws is how it failed, so that the other checks go on.
 * @param otherwise the command to go on with where what is thrown names none
 */
export async function runCheck(
  name: string,
  look: () => CheckResult | Promise<CheckResult>,
  otherwise: string,
): Promise<Finding> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    if (error instanceof Problem) {
      const detail = [error.message, ...error.details].join("; ");
      return { name, ...failed(detail, error.next ?? otherwise) };
    }
    return { name, ...failed((error as Error).message, otherwise) };
  }
}
