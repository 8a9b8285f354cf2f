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
