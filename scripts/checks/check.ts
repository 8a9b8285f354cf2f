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
