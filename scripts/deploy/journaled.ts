import { Problem } from "../common/problem.ts";
import { isDiskFailure } from "../state/isDiskFailure.ts";
import { appendEntry, type Entry } from "../state/journal.ts";
import type { Context } from "../state/context.ts";

/** Who began a command, and why. */
interface Beginning {
  readonly by: string;
  readonly reason: string | null;
}

interface Ending {
  readonly release?: string | null;
  readonly from?: string | null;
  readonly databaseStrategy?: string | null;
}

export interface Journal {
  /** The same tools, with every step's intent and outcome written down. */
  readonly context: Context;
  /** The command itself, as `history` tells it. */
  command<Result extends Ending>(begin: Beginning, work: () => Promise<Result>): Promise<Result>;
}

/**
 * Writes every step to the journal: its intent before it begins, its outcome after. So
 * the run after a `kill -9` knows what was under way.
 * @param command such as "deploy:prod"
 * @param hide takes secrets out of what is written
 */
export function journaled(
  context: Context,
  directory: string,
  command: string,
  hide: (text: string) => string,
): Journal {
  const run = context.randomBytes(6).toString("hex");
  let beginning: Partial<Entry> | undefined;
  let begun = false;
  const append = (step: string, event: Entry["event"], more: Partial<Entry> = {}) => {
    const { detail, message } = more;
    appendEntry(directory, {
      at: new Date(context.now()).toISOString(),
      run,
      command,
      step,
      event,
      ...more,
      ...(detail === undefined ? {} : { detail: hide(detail) }),
      ...(message === undefined ? {} : { message: hide(message) }),
    });
  };
  const write = (...line: Parameters<typeof append>) => {
    // A command that finds nothing to do leaves no trace; one whose first line the disk refused
    // writes it when it goes on.
    if (!begun) append("", "begin", beginning);
    begun = true;
    append(...line);
  };
  /** For what has happened anyway: a full disk does not change it, nor hide why it failed. */
  const writeAfter = (...line: Parameters<typeof append>) => {
    try {
      write(...line);
    } catch (error) {
      if (!isDiskFailure(error)) throw error;
      context.reporter.note(`the journal cannot be written: ${reported(error)}`);
    }
  };
  const reported = (error: unknown) => (error instanceof Problem ? error.message : String(error));
  const reporter: Context["reporter"] = {
    ...context.reporter,
    async step(name, work, outcome, parameters) {
      write(name, "begin");
      try {
        const result = await context.reporter.step(name, work, outcome, parameters);
        const detail = outcome?.(result) ?? "";
        write(name, "done", detail === "" ? {} : { detail });
        return result;
      } catch (error) {
        writeAfter(name, "failed", { detail: reported(error) });
        throw error;
      }
    },
  };
  return {
    context: { ...context, reporter },
    async command({ by, reason }, work) {
      const started = context.now();
      const seconds = () => (context.now() - started) / 1000;
      beginning = { by, ...(reason === null ? {} : { reason }) };
      try {
        const result = await work();
        if (begun) writeAfter("", "done", { seconds: seconds(), ...named(result) });
        return result;
      } catch (error) {
        if (begun) writeAfter("", "failed", { seconds: seconds(), message: reported(error) });
        throw error;
      }
    },
  };
}

function named({ release, from, databaseStrategy }: Ending): Partial<Entry> {
  return {
    ...(release ? { release } : {}),
    ...(from ? { from } : {}),
    ...(databaseStrategy ? { databaseStrategy } : {}),
  };
}
