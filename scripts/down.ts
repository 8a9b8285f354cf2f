import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "down",
  about: "Stop the local stack: server drained first, database last. Volumes stay.",
  environment: "first",
  options: [["--volumes", "remove the volumes with all their data too, after asking"]],
  flags: ["yes"],
  examples: ["npm run down:dev"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ down }, { toolsOf }] = await Promise.all([
      import("./rollout/down.ts"),
      import("./cli/toolsOf.ts"),
    ]);
    const outcome = await down(settings, asked.options["volumes"] === true, toolsOf(terminal));
    const what =
      outcome.stopped.length === 0 ? "nothing ran" : `stopped ${outcome.stopped.length} containers`;
    const kept = outcome.keptVolumes.length === 0 ? "" : `; kept ${outcome.keptVolumes.join(", ")}`;
    const gone =
      outcome.removedVolumes.length === 0 ? "" : `; removed ${outcome.removedVolumes.join(", ")}`;
    return {
      result: { ...outcome, steps: terminal.steps },
      text: `${asked.environment}: ${what}${kept}${gone}\n`,
    };
  },
});
