import { AsyncLocalStorage } from "node:async_hooks";
import type { StepParameters } from "../common/reporter.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { CommandInput } from "./commandDefinition.ts";
import type { Terminal } from "./terminal.ts";

/** A step as it happened, for its span. */
export interface TracedStep {
  readonly name: string;
  /** The step within which it ran. */
  readonly within: TracedStep | undefined;
  readonly parameters: StepParameters;
  /** Milliseconds since 1970. */
  readonly begun: number;
  /** Missing where it had not ended when the command did. */
  ended?: number;
  failed: boolean;
  /** What it threw, where it failed. */
  error?: unknown;
  /** Its result in a line. */
  detail?: string;
}

/** How a command ended. */
export interface Ending {
  readonly input: CommandInput;
  /** Undefined where it did not come to read them: then nothing is traced. */
  readonly settings: Settings | undefined;
  readonly exit: number;
  /** What it gave back for --json. */
  readonly result?: Readonly<Record<string, unknown>>;
  /** What it threw. */
  readonly error?: unknown;
  readonly hide: (text: string) => string;
}

export interface Traced {
  /** The same terminal, with every step taken down. */
  readonly terminal: Terminal;
  /**
   * The command's trace; never throws.
   * @returns undefined where nothing was done, or nothing is to be traced
   */
  end(ending: Ending): Promise<Trace | undefined>;
}

/**
 * Takes down the steps of a command as plain data. What makes spans of them is loaded only at
 * the end, and only if there were any.
 * @param command such as "deploy"
 * @param now milliseconds since 1970, of a monotonic clock
 */
export function traced(terminal: Terminal, command: string, now: () => number): Traced {
  const begun = now();
  const steps: TracedStep[] = [];
  const around = new AsyncLocalStorage<TracedStep>();
  const step: Terminal["step"] = async (name, work, outcome, parameters = {}) => {
    const within = around.getStore();
    const one: TracedStep = { name, within, parameters, begun: now(), failed: false };
    steps.push(one);
    try {
      return await around.run(one, () =>
        terminal.step(name, work, (result) => (one.detail = outcome?.(result) ?? ""), parameters),
      );
    } catch (error) {
      one.failed = true;
      one.error = error;
      throw error;
    } finally {
      one.ended = now();
    }
  };
  return {
    terminal: { ...terminal, step },
    async end(ending) {
      if (steps.length === 0 || ending.input.dryRun) return undefined;
      try {
        const { traceCommand } = await import("./traceCommand.ts");
        const cancelled = ending.error !== undefined && terminal.signal.aborted;
        return traceCommand({ command, begun, ended: now(), steps, cancelled, ...ending });
      } catch {
        return undefined; // a trace is for looking at: nothing may fail for want of one
      }
    },
  };
}

export interface Trace {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Where it goes, as host and port. */
  readonly target: string;
  /**
   * Sends it, within a second; never throws.
   * @returns undefined where it was taken, else why it was not
   */
  send(): Promise<string | undefined>;
}
