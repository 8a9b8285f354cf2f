import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "drill",
  description:
    "Deploy the previous release and the present one and roll back, in a throw-away project next to the real one; print the times.",
  environment: "first",
  arguments: [
    ["[from]", "the version to begin with; the one before the present where it is left out"],
  ],
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
      `Play ${from} → ${to} → ${from} in a throw-away copy of ${input.environment}?`,
      [`project ${previous["STACK_PROJECT"]}: made for this, and taken away afterwards`],
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
      one.downtimeSeconds === null ? "" : `server away ${one.downtimeSeconds.toFixed(1)} s`,
      one.databaseStrategy === null || one.databaseStrategy === "none" ? "" : one.databaseStrategy,
    ]);
    return { result: { acts, steps: terminal.steps }, text: `\n${table(rows)}` };
  },
});
