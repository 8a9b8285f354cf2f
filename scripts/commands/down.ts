import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "down",
  description: "Stop a local stack, server first and database last. Volumes stay.",
  environment: "first",
  options: [["--volumes", "also remove the volumes with all their data, after asking"]],
  flags: ["yes"],
  examples: ["npm run down:dev"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ down }, { createContext }] = await Promise.all([
      import("../deploy/down.ts"),
      import("./createContext.ts"),
    ]);
    const outcome = await down(
      settings,
      input.options["volumes"] === true,
      createContext(terminal),
    );
    const what =
      outcome.stopped.length === 0 ? "nothing ran" : `stopped ${outcome.stopped.length} containers`;
    const retained =
      outcome.retainedVolumes.length === 0
        ? ""
        : `; retained ${outcome.retainedVolumes.join(", ")}`;
    const gone =
      outcome.removedVolumes.length === 0 ? "" : `; removed ${outcome.removedVolumes.join(", ")}`;
    return {
      result: { ...outcome, steps: terminal.steps },
      text: `${input.environment}: ${what}${retained}${gone}\n`,
    };
  },
});
