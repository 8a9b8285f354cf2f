import { join } from "node:path";
import { Command, Option } from "commander";
import { environmentName, environmentNames } from "../settings/environmentName.ts";
import type { CommandInput, CommandDefinition } from "./commandDefinition.ts";
import { npmFlags } from "./npmFlags.ts";

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
  if (flags.includes("yes")) program.option("-y, --yes", "do not ask, do it");
  if (flags.includes("dryRun"))
    program.option("--dry-run", "show what would be done, and do nothing");
  program.option(
    "--from-env <names>",
    "settings to take from the process environment, with commas between; dev takes all",
    (names: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      ...names.split(",").map((name) => name.trim()),
    ],
  );
  program.option("--json", "one JSON object on standard output");
  program.option("--verbose", "more words, and the cause of a failure");
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
