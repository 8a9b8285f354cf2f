import { join } from "node:path";
import { Command, Option } from "commander";
import { Problem } from "../common/problem.ts";
import { environmentName, environmentNames } from "../settings/environmentName.ts";
import type { CommandDefinition, CommandInput } from "./commandDefinition.ts";

const root = join(import.meta.dirname, "..", "..");

/**
 * Commander's words for what was typed, made ours.
 * @throws CommanderError for what is not understood, and with exit code 0 after --help
 */
export function parseArguments(definition: CommandDefinition): CommandInput {
  const program = new Command(definition.name)
    .description(definition.description)
    .exitOverride()
    .showHelpAfterError(false)
    .helpOption("-h, --help", "show this help")
    .configureOutput({ outputError: () => undefined });
  const { environment, flags = [] } = definition;
  if (environment === "option") {
    const option = new Option("--env <env>", "which environment");
    program.addOption(option.choices(environmentNames).default("prod"));
  }
  const positional = [...(definition.arguments ?? [])];
  const place = environment === "second" ? 1 : 0;
  const isNamed = environment !== "none" && environment !== "option";
  if (isNamed) {
    const notation = environment === "optional" ? "[env]" : "<env>";
    positional.splice(place, 0, [notation, environmentNames.join(", ")]);
  }
  for (const [notation, description] of positional) program.argument(notation, description);
  for (const [flags, description, choices] of definition.options ?? []) {
    const option = new Option(flags, description);
    program.addOption(choices === undefined ? option : option.choices(choices));
  }
  if (flags.includes("yes")) program.option("-y, --yes", "do not ask");
  if (flags.includes("dryRun"))
    program.option("--dry-run", "show what would be done; change nothing");
  program.option(
    "--from-env <names>",
    "comma-separated settings to take from the process environment; dev takes all",
    (names: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      ...names.split(",").map((name) => name.trim()),
    ],
  );
  program.option("--json", "one JSON object on standard output");
  program.option("--verbose", "more detail, and the cause of a failure");
  if (definition.examples) {
    program.addHelpText(
      "after",
      `\nExamples:\n${definition.examples.map((one) => `  ${one}`).join("\n")}`,
    );
  }
  const typed = npmFlags(process.env, program.options, definition.name, process.argv.slice(2));
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
    fromEnv: (options["fromEnv"] as string[] | undefined) ?? [],
    yes: options["yes"] === true,
    json: options["json"] === true,
    dryRun: options["dryRun"] === true,
    verbose: options["verbose"] === true,
    root,
  };
}

/** An option as far as it matters here; commander's own fits. */
interface KnownOption {
  attributeName(): string;
  /** Whether it takes a value. */
  readonly required: boolean;
  readonly argChoices?: readonly string[] | undefined;
}

/** Flags of ours that npm takes for its own when they stand before `--`. */
const ours = [
  "json",
  "dry_run",
  "volumes",
  "exit_code",
  "follow",
  "recreate",
  "explain",
  "tail",
  "database",
  "env",
  "from_dump",
  "from_env",
  "foreign",
  "reason",
  "wait",
  "limit",
  "verified",
  "failover",
  "end_sessions",
  "despite_failures",
  "agent",
] as const;

/**
 * `npm run rollback v1 --dry-run` leaves the command without its flag: npm eats it and says
 * so only in its environment (npm_config_dry_run=true). Losing that one would be a disaster,
 * so it is read there; one that the command does not have is refused. Of `--database copy`
 * npm keeps the flag and hands the value on as if it stood alone: it is put back where the
 * option's own choices tell it apart. `yes` is not read there: many have it in npm's own settings,
 * and nothing tells whether it stood on this command line.
 * @param typed what the command was given
 * @returns the same with the flags as they should have come
 * @throws Problem USAGE
 */
export function npmFlags(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly KnownOption[],
  command: string,
  typed: readonly string[],
): string[] {
  const eaten = ours.filter(
    (name) => !["", "false"].includes(environment[`npm_config_${name}`] ?? ""),
  );
  const flags = eaten.map((name) => {
    const key = name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    return {
      flag: `--${name.replaceAll("_", "-")}`,
      value: environment[`npm_config_${name}`] ?? "",
      option: known.find((one) => one.attributeName() === key),
    };
  });
  const refused = flags.filter((one) => one.option === undefined);
  if (refused.length > 0) {
    const names = refused.map((one) => one.flag).join(", ");
    throw new Problem("USAGE", `${command} has no flag ${names} (npm took it for its own)`, {
      next: "the same command with -- --help",
    });
  }
  const rest = [...typed];
  const found = flags.flatMap(({ flag, value, option }) => {
    if (option === undefined) return [];
    if (!option.required) return [flag];
    if (value !== "true") return [flag, value];
    const place = rest.findIndex((one) => option.argChoices?.includes(one));
    if (place < 0) {
      throw new Problem("USAGE", `npm took ${flag} for its own, and its value with it`, {
        next: `the same with -- before the flags: npm run … -- … ${flag} …`,
      });
    }
    return [flag, ...rest.splice(place, 1)];
  });
  return [...rest, ...found];
}
