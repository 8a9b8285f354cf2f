import { Problem } from "../common/problem.ts";
import type { Reporter, StepRecord } from "../common/reporter.ts";

export interface Terminal extends Reporter {
  /** From here on these values are hidden in all that is written. */
  hides(secrets: Iterable<string>): void;
  /** Aborted by the first Ctrl-C; a second one ends the process at once. */
  readonly signal: AbortSignal;
}

export interface Manner {
  readonly yes: boolean;
  /** With --json only failures are reported. */
  readonly quiet: boolean;
  readonly hides: (secrets: Iterable<string>) => void;
  /** Makes a text fit to be shown: no secret and no control character is in it. */
  readonly clean: (text: string) => string;
}

/** Between lines of a long step where no spinner is shown. */
const plainEveryMs = 15_000;

/** npm passes a terminal's Ctrl-C on to us, who had it from the terminal: that is one, not two. */
const sameSignalMs = 400;

/** Tells a story on standard error: a spinner on a terminal, plain lines elsewhere. */
export function createTerminal(manner: Manner): Terminal {
  const steps: StepRecord[] = [];
  const interrupted = new AbortController();
  // A terminal that says it has no columns (a pty of a script) sends the spinner into a loop
  // without end: it counts lines by dividing by them.
  const wide = (process.stderr.columns ?? 0) >= 20;
  const live = process.stderr.isTTY && wide && !manner.quiet && process.env["TERM"] !== "dumb";
  // All output goes through here; a mark in colour is the only thing before it.
  const write = (line: string, mark = "") => {
    if (!manner.quiet) process.stderr.write(`${mark}${manner.clean(line)}\n`);
  };
  // The reader may go away: a terminal that is closed, a pipe whose reader has ended. What was
  // begun is brought to its end all the same.
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (!["EPIPE", "EIO"].includes(error.code ?? "")) throw error;
  });
  let firstAt = 0;
  const interrupt = () => {
    if (interrupted.signal.aborted) {
      if (performance.now() - firstAt < sameSignalMs) return;
      process.exit(130);
    }
    firstAt = performance.now();
    write("interrupted: stopping at the next safe point (once more to stop at once)");
    interrupted.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  return {
    steps,
    signal: interrupted.signal,
    hides: manner.hides,
    note: (text) => write(`  ${text}`),
    async step(name, work, outcome) {
      const started = performance.now();
      const elapsed = () => (performance.now() - started) / 1000;
      const show = live
        ? await spinner(name, elapsed, manner.clean)
        : plainLines(name, elapsed, write);
      const finish = (result: "done" | "failed", text: string) => {
        steps.push({ name, seconds: Number(elapsed().toFixed(2)), outcome: result });
        const mark = result === "done" ? "✓" : "✗";
        show.stop();
        const reported = `${name}${text === "" ? "" : ` — ${text}`} (${elapsed().toFixed(1)} s)`;
        write(reported, `${paint(mark, result)} `);
      };
      try {
        const result = await work(show.report);
        finish("done", outcome?.(result) ?? "");
        return result;
      } catch (error) {
        finish("failed", "");
        throw error;
      }
    },
    async confirm(question, lines, flag = "--yes") {
      if (manner.yes && flag === "--yes") return lines.forEach((line) => write(`  ${line}`));
      if (!process.stdin.isTTY || !process.stderr.isTTY) {
        throw new Problem(
          "CONFIRMATION_NEEDED",
          `${question} Without a terminal: nothing was done`,
          {
            details: [...lines, ...npmYes()],
            next: `the same command with -- ${flag}`,
          },
        );
      }
      for (const line of lines) process.stderr.write(`  ${manner.clean(line)}\n`);
      const { confirm, isCancel } = await import("@clack/prompts");
      const answer = await confirm({
        message: manner.clean(question),
        initialValue: false,
        output: process.stderr,
      });
      if (answer !== true || isCancel(answer))
        throw new Problem("DECLINED", "declined: nothing was done");
    },
  };
}

/** Where an operator may have meant npm's flag for ours. */
function npmYes(): string[] {
  if (process.env["npm_config_yes"] !== "true") return [];
  return ["npm's own yes does not count: write --yes behind --, as in npm run … -- --yes"];
}

interface Show {
  readonly report: (text: string) => void;
  readonly stop: () => void;
}

async function spinner(
  name: string,
  elapsed: () => number,
  clean: (text: string) => string,
): Promise<Show> {
  const { default: create } = await import("yocto-spinner");
  let far = "";
  const text = () => {
    const line = `${name} ${elapsed().toFixed(0)} s${far === "" ? "" : ` · ${far}`}`;
    return clean(line).slice(0, (process.stderr.columns ?? 80) - 4);
  };
  const shown = create({ text: text(), stream: process.stderr, handleSignals: false }).start();
  const ticking = setInterval(() => (shown.text = text()), 500);
  return {
    report: (next) => {
      far = next;
      shown.text = text();
    },
    stop: () => {
      clearInterval(ticking);
      shown.stop();
    },
  };
}

function plainLines(name: string, elapsed: () => number, write: (line: string) => void): Show {
  let far = "";
  const ticking = setInterval(() => {
    write(`… ${name} ${elapsed().toFixed(0)} s${far === "" ? "" : ` · ${far}`}`);
  }, plainEveryMs);
  return { report: (text) => (far = text), stop: () => clearInterval(ticking) };
}

function paint(mark: string, outcome: "done" | "failed"): string {
  const colours =
    process.stderr.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  if (!colours) return mark;
  return `\u001b[${outcome === "done" ? 32 : 31}m${mark}\u001b[39m`;
}
