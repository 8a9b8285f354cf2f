import { bringUpCommand } from "./settings/bringUpCommand.ts";
import { command } from "./cli/command.ts";
import type { Answer, Asked } from "./cli/declaration.ts";
import { settingsOf } from "./cli/settingsOf.ts";
import type { Terminal } from "./cli/narrate.ts";

await command({
  name: "plan",
  about: "Show what would be done and why. Nothing is written.",
  environment: "first",
  arguments: [
    ["[tag]", "the server's version; LETTA_VERSION of the settings where it is left out"],
  ],
  options: [["--exit-code", "exit 10 where there is something to do"]],
  examples: ["npm run plan -- dev", "npm run plan -- dev --exit-code"],
  async act(asked, terminal) {
    const answer = await planned(asked, terminal);
    const differs = (answer.result["changes"] as { action: string }[]).some(
      (one) => one.action !== "none",
    );
    if (asked.options["exitCode"] !== true || !differs) return answer;
    const message = "there is something to do";
    const next = bringUpCommand(asked.environment);
    return {
      ...answer,
      result: { ...answer.result, code: "DIFFERENCES", exit: 10, message, next },
      exit: 10,
    };
  },
});

async function planned(asked: Asked, terminal: Terminal): Promise<Answer> {
  const [tag] = asked.arguments;
  const over = tag === undefined ? {} : { LETTA_VERSION: tag };
  const settings = await settingsOf(asked, terminal, true, over);
  if (asked.environment === "dev" || asked.environment === "development") {
    return (await import("./cli/planAnswer.ts")).planAnswer(settings, terminal);
  }
  const { releasePlanAnswer } = await import("./cli/releasePlanAnswer.ts");
  return releasePlanAnswer(settings, undefined, terminal);
}
