import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "drill",
  about:
    "Deploy the previous release and the present one and roll back, in a throw-away project beside the real one; print the times.",
  environment: "first",
  arguments: [
    ["[from]", "the version to begin with; the one before the present where it is left out"],
  ],
  flags: ["yes"],
  examples: ["npm run drill -- prod", "npm run -s drill -- prod 0.15.1 --json"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal);
    const [{ drill }, { drillSettings }, { toolsOf }, { table }] = await Promise.all([
      import("./rollout/drill.ts"),
      import("./rollout/drillSettings.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const tools = toolsOf(terminal);
    const { former, present } = await drillSettings(settings, asked.arguments[0], tools);
    const [from, to] = [former, present].map((over) => over["LETTA_VERSION"]);
    await terminal.confirm(`Play ${from} → ${to} → ${from} beside ${asked.environment}?`, [
      `project ${former["STACK_PROJECT"]}: made for this, and taken away afterwards`,
    ]);
    const quiet = { ...tools, say: { ...terminal, confirm: async () => undefined } };
    const acts = await drill(
      await settingsOf(asked, terminal, false, former),
      await settingsOf(asked, terminal, false, present),
      quiet,
    );
    const rows = acts.map((one) => [
      one.act,
      `${one.seconds.toFixed(1)} s`,
      one.awaySeconds === null ? "" : `server away ${one.awaySeconds.toFixed(1)} s`,
      one.way === null || one.way === "none" ? "" : one.way,
    ]);
    return { result: { acts, steps: terminal.steps }, text: `\n${table(rows)}` };
  },
});
