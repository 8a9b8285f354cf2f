import { bringUpCommand } from "./settings/bringUpCommand.ts";
import { command } from "./cli/command.ts";

await command({
  name: "plan",
  about: "Show what would be done and why. Nothing is written.",
  environment: "first",
  options: [["--exit-code", "exit 10 where there is something to do"]],
  examples: ["npm run plan -- dev", "npm run plan -- dev --exit-code"],
  async act(asked, terminal) {
    const { planAnswer } = await import("./cli/planAnswer.ts");
    const answer = await planAnswer(asked, terminal);
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
