import { CommanderError } from "commander";
import { foreseen } from "../common/foreseen.ts";
import { Problem } from "../common/problem.ts";

/**
 * Failures that others throw and that we foresaw, as Problems: a command line that was not
 * understood, and what `foreseen` knows.
 * @returns undefined for a bug
 */
export function asProblem(error: unknown): Problem | undefined {
  if (!(error instanceof CommanderError)) return foreseen(error);
  return new Problem("USAGE", error.message.replace(/^error: /, ""), {
    next: "the same command with -- --help",
  });
}
