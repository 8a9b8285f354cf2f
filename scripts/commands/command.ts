import { CommanderError } from "commander";
import { Problem } from "../common/problem.ts";
import { plainJson, plainText, redaction } from "../common/redaction.ts";
import { asProblem, type CommandDefinition, type CommandInput } from "./commandDefinition.ts";
import { settingsBegunWith } from "./loadSettings.ts";
import type { Ending, Trace } from "./traceCommand.ts";
import type { Traced } from "./traced.ts";
import { parseArguments } from "./parseArguments.ts";

/** Commands that change what runs: each leaves a trace, if it did anything. */
const tracedCommands = ["up", "deploy", "rollback", "restore", "adopt", "drill"];

/**
 * Runs a command: the one place where every entry starts and every Problem becomes a line and an exit code.
 * Results go to standard output, everything else to standard error.
 */
export async function command(definition: CommandDefinition): Promise<void> {
  // A reader that went away (`| head`, a closed terminal) is no reason for a stack trace.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "EIO") process.exit(process.exitCode ?? 0);
    throw error;
  });
  const started = performance.now();
  const seconds = () => Number(((performance.now() - started) / 1000).toFixed(2));
  let input: CommandInput | undefined;
  let hide = (text: string) => text;
  const clean = (text: string) => plainText(hide(text));
  let recorder: Traced | undefined;
  let trace: Trace | undefined;
  const traceOf = async (ending: Pick<Ending, "exit" | "result" | "error">) => {
    const settings = input && settingsBegunWith(input);
    trace = input && (await recorder?.end({ ...ending, input, settings, hide }));
    return trace === undefined ? {} : { trace: trace.id };
  };
  const wantsJson = process.argv.includes("--json") || process.env["npm_config_json"] === "true";
  try {
    input = parseArguments(definition);
    const { createTerminal } = await import("./terminal.ts");
    const terminal = createTerminal({
      yes: input.yes,
      quiet: input.json,
      hides: (secrets) => (hide = redaction(secrets)),
      clean: (text) => clean(text),
    });
    if (tracedCommands.includes(definition.name)) {
      const { traced } = await import("./traced.ts");
      // Monotonic: the time of day may be set back.
      const now = () => performance.timeOrigin + performance.now();
      recorder = traced(terminal, definition.name, now);
    }
    const answer = await definition.act(input, recorder?.terminal ?? terminal);
    const exit = answer.exit ?? 0;
    const object = {
      ok: answer.exit === undefined,
      command: definition.name,
      environment: input.environment,
      seconds: seconds(),
      ...answer.result,
      ...(await traceOf({ exit, result: answer.result })),
    };
    const shown = answer.isData && !process.stdout.isTTY ? hide : clean;
    process.stdout.write(input.json ? `${hide(plainJson(object))}\n` : shown(answer.text));
    process.exitCode = exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const problem = asProblem(error);
    const next = problem && nextCommand(problem, input?.environment);
    const exit = problem?.exit ?? 1;
    process.exitCode = exit;
    const traced = await traceOf({ exit, error });
    if (wantsJson) {
      const message = problem?.message ?? String((error as Error).stack ?? error);
      const object = {
        ok: false,
        command: definition.name,
        environment: input?.environment ?? null,
        seconds: seconds(),
        code: problem?.code ?? "BUG",
        exit,
        message,
        details: problem?.details ?? [],
        next: next ?? null,
        ...problem?.facts,
        ...traced,
      };
      process.stdout.write(`${hide(plainJson(object))}\n`);
    } else {
      process.stderr.write(clean(problem ? described(problem, next) : bug(error)));
    }
    if (input?.verbose && problem?.cause)
      process.stderr.write(clean(`${String((problem.cause as Error).stack)}\n`));
  }
  if (trace !== undefined) {
    const { sendTrace } = await import("./sendTrace.ts");
    await sendTrace(trace, input?.verbose === true && !wantsJson, clean);
  }
}

/** The next command after a failure; where none is known, the doctor. */
function nextCommand({ next, exit }: Problem, environment: string | undefined): string | undefined {
  if (next !== undefined || exit === 2) return next;
  return environment === undefined ? "npm run doctor" : `npm run doctor -- ${environment}`;
}

function described({ message, details }: Problem, next: string | undefined): string {
  const lines = details.map((line) => `  ${line}\n`).join("");
  return `${message}\n${lines}${next === undefined ? "" : `next: ${next}\n`}`;
}

function bug(error: unknown): string {
  return `this is a bug in letta-stack, please report it:\n${String((error as Error)?.stack ?? error)}\n`;
}
