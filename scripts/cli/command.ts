import { join } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import {
  environmentNames,
  environmentName,
  type EnvironmentName,
} from "../settings/environmentName.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { SecretsText } from "../settings/secretsLayer.ts";
import { asProblem } from "./asProblem.ts";
import { npmFlags } from "./npmFlags.ts";
import type { Terminal } from "./narrate.ts";
import type { Trace } from "./traceCommand.ts";
import type { Ending, Traced } from "./traced.ts";

/** What was typed, understood. */
export interface Asked {
  readonly environment: EnvironmentName;
  readonly arguments: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
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
  /** Another code than 0, for differences that were found. */
  readonly exit?: number;
}

export interface Declaration {
  readonly name: string;
  readonly about: string;
  /** Positional arguments after the environment, in commander's notation. */
  readonly arguments?: readonly (readonly [notation: string, about: string])[];
  /** "second": after the first argument. "option": `--env <env>`, prod where it is left out. */
  readonly environment: "first" | "second" | "optional" | "option" | "none";
  readonly options?: readonly (readonly [
    flags: string,
    about: string,
    choices?: readonly string[],
  ])[];
  /** Which of the shared flags it has beside --json, --verbose and --help. */
  readonly flags?: readonly ("yes" | "dryRun")[];
  readonly examples?: readonly string[];
  readonly act: (asked: Asked, tell: Terminal) => Promise<Answer>;
}

const root = join(import.meta.dirname, "..", "..");

/** Commands that change what runs: each leaves a trace, if it did anything. */
const tracedCommands = ["up", "deploy", "rollback", "restore", "drill"];

/** The settings that a command read first: its trace goes to their collector. */
const begunWith = new WeakMap<Asked, Settings>();

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
  let recorder: Traced | undefined;
  let trace: Trace | undefined;
  const traceOf = async (ending: Pick<Ending, "exit" | "result" | "error">) => {
    const settings = asked && begunWith.get(asked);
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
    process.stdout.write(hide(asked.json ? `${JSON.stringify(object)}\n` : answer.text));
    process.exitCode = exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const problem = asProblem(error);
    const next = problem?.next;
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
        ...traced,
      };
      process.stdout.write(hide(`${JSON.stringify(object)}\n`));
    } else {
      process.stderr.write(hide(problem ? described(problem) : bug(error)));
    }
    if (asked?.verbose && problem?.cause)
      process.stderr.write(hide(`${String((problem.cause as Error).stack)}\n`));
  }
  if (trace !== undefined) {
    const { sendTrace } = await import("./sendTrace.ts");
    await sendTrace(trace, asked?.verbose === true && !wantsJson, hide);
  }
}

/** Commander's words for what was typed, made ours. */
function understand(declaration: Declaration): Asked {
  const program = new Command(declaration.name)
    .description(declaration.about)
    .exitOverride()
    .showHelpAfterError(false)
    .helpOption("-h, --help", "show this help")
    .configureOutput({ outputError: () => undefined });
  const { environment, flags = [] } = declaration;
  if (environment === "option") {
    const option = new Option("--env <env>", "which environment");
    program.addOption(option.choices(environmentNames).default("prod"));
  }
  const positional = [...(declaration.arguments ?? [])];
  const place = environment === "second" ? 1 : 0;
  const isNamed = environment !== "none" && environment !== "option";
  if (isNamed) {
    const notation = environment === "optional" ? "[env]" : "<env>";
    positional.splice(place, 0, [notation, environmentNames.join(", ")]);
  }
  for (const [notation, about] of positional) program.argument(notation, about);
  for (const [flags, about, choices] of declaration.options ?? []) {
    const option = new Option(flags, about);
    program.addOption(choices === undefined ? option : option.choices(choices));
  }
  if (flags.includes("yes")) program.option("-y, --yes", "do not ask, do it");
  if (flags.includes("dryRun"))
    program.option("--dry-run", "show what would be done, and do nothing");
  program.option("--json", "one JSON object on standard output");
  program.option("--verbose", "more words, and the cause of a failure");
  if (declaration.examples) {
    program.addHelpText(
      "after",
      `\nExamples:\n${declaration.examples.map((one) => `  ${one}`).join("\n")}`,
    );
  }
  const typed = npmFlags(process.env, program.options, declaration.name, process.argv.slice(2));
  program.parse(typed, { from: "user" });
  const options = program.opts();
  const given = program.processedArgs
    .flat()
    .filter((one): one is string => typeof one === "string");
  const named = isNamed ? given[place] : undefined;
  const byOption = environment === "option" ? environmentName(String(options["env"])) : "dev";
  return {
    environment: named === undefined ? byOption : environmentName(named),
    arguments: named === undefined ? given : given.toSpliced(place, 1),
    options,
    yes: options["yes"] === true,
    json: options["json"] === true,
    dryRun: options["dryRun"] === true,
    verbose: options["verbose"] === true,
    root,
  };
}

function described(problem: Problem): string {
  const details = problem.details.map((line) => `  ${line}\n`).join("");
  const next = problem.next === undefined ? "" : `next: ${problem.next}\n`;
  return `${problem.message}\n${details}${next}`;
}

function bug(error: unknown): string {
  return `this is a bug in letta-stack, please report it:\n${String((error as Error)?.stack ?? error)}\n`;
}

/**
 * Reads the settings and has their secrets hidden from here on.
 * @param mayMiss for commands that only look: what nobody has set yet is told, not refused
 * @param over settings that were given as arguments, such as the server's tag
 * @param secrets the text to take for the secrets file's; what is there if left out
 */
export async function settingsOf(
  asked: Asked,
  terminal: Terminal,
  mayMiss = false,
  over: Readonly<Record<string, string>> = {},
  secrets?: SecretsText,
): Promise<Settings> {
  const [{ openSecrets }, { readSettings }] = await Promise.all([
    import("../settings/openSecrets.ts"),
    import("../settings/readSettings.ts"),
  ]);
  const { environment, root: project } = asked;
  const processEnvironment = { ...process.env, ...over };
  const place = { environment, root: project, processEnvironment };
  const settings = readSettings({
    ...place,
    mayMiss,
    secrets: secrets ?? (await openSecrets(place)),
  });
  if (settings.missing.length > 0) {
    terminal.note(
      `not set yet: ${settings.missing.join(", ")} (npm run secrets -- init ${environment})`,
    );
  }
  terminal.hides(settings.sensitive());
  if (!begunWith.has(asked)) begunWith.set(asked, settings);
  return settings;
}
