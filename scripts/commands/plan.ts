import { bringUpCommand } from "../settings/environmentName.ts";
import { command } from "./command.ts";
import type { Answer, CommandInput } from "./commandDefinition.ts";
import { loadSettings, noteUnused } from "./loadSettings.ts";
import type { Terminal } from "./terminal.ts";

await command({
  name: "plan",
  description: "Show what a deploy would do and why. Changes nothing.",
  environment: "first",
  arguments: [["[tag]", "the server's version; LETTA_VERSION if left out"]],
  options: [["--exit-code", "exit 10 if there is something to do"]],
  examples: ["npm run plan -- dev", "npm run plan -- dev --exit-code"],
  async act(input, terminal) {
    const answer = await planned(input, terminal);
    const differs = (answer.result["changes"] as { action: string }[]).some(
      (one) => one.action !== "none",
    );
    if (input.options["exitCode"] !== true || !differs) return answer;
    const message = "there is something to do";
    const next = bringUpCommand(input.environment);
    return {
      ...answer,
      result: { ...answer.result, code: "DIFFERENCES", exit: 10, message, next },
      exit: 10,
    };
  },
});

async function planned(input: CommandInput, terminal: Terminal): Promise<Answer> {
  const [tag] = input.arguments;
  const over = tag === undefined ? {} : { LETTA_VERSION: tag };
  const settings = await loadSettings(input, terminal, true, over);
  await noteUnused(settings, terminal);
  if (input.environment === "dev" || input.environment === "development") {
    return (await import("./planAnswer.ts")).planAnswer(settings, terminal);
  }
  const { releasePlanAnswer } = await import("./planAnswer.ts");
  return releasePlanAnswer(settings, undefined, terminal);
}
