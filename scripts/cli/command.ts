import { CommanderError } from "commander";
import { Problem } from "../common/problem.ts";
import { plainJson, plainText } from "../common/plainText.ts";
import { redaction } from "../common/redaction.ts";
import { asProblem } from "./asProblem.ts";
import type { Asked, Declaration } from "./declaration.ts";
import { settingsBegunWith } from "./settingsOf.ts";
import type { Trace } from "./traceCommand.ts";
import type { Ending, Traced } from "./traced.ts";
import { understand } from "./understand.ts";

/** Commands that change what runs: each leaves a trace, if it did anything. */
const tracedCommands = ["up", "deploy", "rollback", "restore", "drill"];

/**
 * Runs a command: the one door through which every entry goes in and every Problem out.
 * Results go to standard output, everything else to standard error.
 */
export async function command(declaration: Declaration): Promise<void> {
  // A reader that went away (`| head`, a closed terminal) is no reason for a stack trace.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "EIO") process.exit(process.exitCode ?? 0);
    throw error;
  });
  const started = performance.now();
  const seconds = () => Number(((performance.now() - started) / 1000).toFixed(2));
  let asked: Asked | undefined;
  let hide = (text: string) => text;
  const clean = (text: string) => plainText(hide(text));
  let recorder: Traced | undefined;
  let trace: Trace | undefined;
  const traceOf = async (ending: Pick<Ending, "exit" | "result" | "error">) => {
    const settings = asked && settingsBegunWith(asked);
    trace = asked && (await recorder?.end({ ...ending, asked, settings, hide }));
    return trace === undefined ? {} : { trace: trace.id };
  };
  const wantsJson = process.argv.includes("--json") || process.env["npm_config_json"] === "true";
  try {
    asked = understand(declaration);
    const { narrate } = await import("./narrate.ts");
    const terminal = narrate({
      yes: asked.yes,
      quiet: asked.json,
      hides: (secrets) => (hide = redaction(secrets)),
      clean: (text) => clean(text),
    });
    if (tracedCommands.includes(declaration.name)) {
      const { traced } = await import("./traced.ts");
      // Unlike the time of day, this never goes back.
      const now = () => performance.timeOrigin + performance.now();
      recorder = traced(terminal, declaration.name, now);
    }
    const answer = await declaration.act(asked, recorder?.terminal ?? terminal);
    const exit = answer.exit ?? 0;
    const object = {
      ok: answer.exit === undefined,
      command: declaration.name,
      environment: asked.environment,
      seconds: seconds(),
      ...answer.result,
      ...(await traceOf({ exit, result: answer.result })),
    };
    const shown = answer.isData && !process.stdout.isTTY ? hide : clean;
    process.stdout.write(asked.json ? `${hide(plainJson(object))}\n` : shown(answer.text));
    process.exitCode = exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const problem = asProblem(error);
    const next = problem && nextCommand(problem, asked?.environment);
    const exit = problem?.exit ?? 1;
    process.exitCode = exit;
    const traced = await traceOf({ exit, error });
    if (wantsJson) {
      const message = problem?.message ?? String((error as Error).stack ?? error);
      const object = {
        ok: false,
        command: declaration.name,
        environment: asked?.environment ?? null,
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
    if (asked?.verbose && problem?.cause)
      process.stderr.write(clean(`${String((problem.cause as Error).stack)}\n`));
  }
  if (trace !== undefined) {
    const { sendTrace } = await import("./sendTrace.ts");
    await sendTrace(trace, asked?.verbose === true && !wantsJson, clean);
  }
}

/** Whoever has failed is told what to do next; where nobody knows better, to have all looked at. */
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
