import { CommanderError } from "commander";
import { foreseen, Problem } from "../common/problem.ts";
import type { EnvironmentName } from "../settings/environmentName.ts";
import type { Terminal } from "./terminal.ts";

/** What was typed, understood. */
export interface CommandInput {
  readonly environment: EnvironmentName;
  readonly arguments: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  /** Settings to take from the process environment also in staging and prod. */
  readonly fromEnv: readonly string[];
  readonly yes: boolean;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly verbose: boolean;
  readonly root: string;
}

/** What a command gives back: an object for --json, and the same for people. */
export interface Answer {
  readonly result: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** Whether the text is for another program: then only a terminal is spared control characters. */
  readonly isData?: boolean;
  /** Another code than 0, for differences that were found. */
  readonly exit?: number;
}

export interface CommandDefinition {
  readonly name: string;
  readonly description: string;
  /** Positional arguments after the environment, in commander's notation. */
  readonly arguments?: readonly (readonly [notation: string, description: string])[];
  /** "second": after the first argument. "option": `--env <env>`, prod where it is left out. */
  readonly environment: "first" | "second" | "optional" | "option" | "none";
  readonly options?: readonly (readonly [
    flags: string,
    description: string,
    choices?: readonly string[],
  ])[];
  /** Which of the shared flags it has besides --json, --verbose and --help. */
  readonly flags?: readonly ("yes" | "dryRun")[];
  readonly examples?: readonly string[];
  readonly act: (input: CommandInput, tell: Terminal) => Promise<Answer>;
}

/** @throws Problem USAGE for an environment that is brought up, not deployed to */
export function assertDeployable(command: string, environment: EnvironmentName): void {
  if (environment === "staging" || environment === "prod") return;
  throw new Problem("USAGE", `${command}: expected staging or prod, got ${environment}`, {
    next: `npm run up:${environment}`,
  });
}

/** @throws Problem USAGE for an environment that is deployed to, not brought up */
export function assertLocal(command: string, environment: EnvironmentName): void {
  if (environment === "dev" || environment === "development") return;
  throw new Problem("USAGE", `${command}: expected dev or development, got ${environment}`, {
    next: `npm run deploy:${environment}`,
  });
}

/** Tells which settings of the process environment do not count: the operator may mean them to. */
export function noteIgnored(ignored: readonly string[], terminal: Terminal): void {
  if (ignored.length === 0) return;
  const names = ignored.join(", ");
  terminal.note(`not taken from the process environment: ${names} (see --from-env)`);
}

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
    const message = `${drift} services differ from the release`;
    return { exit: { exit: 10 }, fields: { code: "DIFFERENCES", exit: 10, message, next } };
  }
  return { exit: {}, fields: {} };
}

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
