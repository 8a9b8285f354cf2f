import { Problem } from "../common/problem.ts";
import type { Engine } from "../docker/engine.ts";

export interface Check {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** What was seen; for a skipped check why it could not be made. */
  readonly detail: string;
  /** Where it says nothing of whether the server works. */
  readonly description?: "telemetry";
}

/** What a verification needs. */
export interface Context {
  readonly engine: Engine;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Sixteen hexadecimal digits, different every time. */
  readonly randomId: () => string;
  /** Hides secrets in what other programs wrote. */
  readonly redact: (text: string) => string;
}

/** What a check saw, or why it was skipped. */
export type Seen = string | { readonly skipped: string };

/** Makes one check: what it throws is how it failed. */
export async function check(name: string, look: () => Seen | Promise<Seen>): Promise<Check> {
  try {
    const seen = await look();
    if (typeof seen === "string") return { name, outcome: "passed", detail: seen };
    return { name, outcome: "skipped", detail: seen.skipped };
  } catch (error) {
    return { name, outcome: "failed", detail: (error as Error).message };
  }
}

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
