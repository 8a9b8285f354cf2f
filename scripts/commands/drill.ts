import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "drill",
  description:
    "Deploy the previous and the present release and roll back, in a temporary project. Prints the times.",
  environment: "first",
  arguments: [["[from]", "the version to begin with; the previous release's if left out"]],
  flags: ["yes"],
  examples: ["npm run drill -- prod", "npm run -s drill -- prod 0.15.1 --json"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal);
    const [{ drill }, { drillSettings }, { createContext }, { table }] = await Promise.all([
      import("../deploy/drill.ts"),
      import("../deploy/drill.ts"),
      import("./createContext.ts"),
      import("./table.ts"),
    ]);
    const context = createContext(terminal);
    const { previous, present } = await drillSettings(settings, input.arguments[0], context);
    const [from, to] = [previous, present].map((over) => over["LETTA_VERSION"]);
    await terminal.confirm(
      `Deploy ${from} → ${to} → ${from} in a temporary copy of ${input.environment}?`,
      [`project ${previous["STACK_PROJECT"]}: created for this drill, removed afterwards`],
    );
    const quiet = { ...context, reporter: { ...terminal, confirm: async () => undefined } };
    const acts = await drill(
      await loadSettings(input, terminal, false, previous),
      await loadSettings(input, terminal, false, present),
      quiet,
    );
    const rows = acts.map((one) => [
      one.act,
      `${one.seconds.toFixed(1)} s`,
      one.downtimeSeconds === null ? "" : `downtime ${one.downtimeSeconds.toFixed(1)} s`,
      one.databaseStrategy === null || one.databaseStrategy === "none" ? "" : one.databaseStrategy,
    ]);
    return { result: { acts, steps: terminal.steps }, text: `\n${table(rows)}` };
  },
});
