import { AsyncLocalStorage } from "node:async_hooks";
import type { Terminal } from "./terminal.ts";
import type { Ending, Trace, TracedStep } from "./traceCommand.ts";

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
