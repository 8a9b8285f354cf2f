import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";
import type { Traces } from "./reports/gatherTraces.ts";

await command({
  name: "traces",
  about: "Show the newest traces, or one of them with all its spans and log lines.",
  environment: "first",
  arguments: [["[trace]", "a trace's id; the newest ones where none is named"]],
  options: [
    ["--agent <id>", "only traces that this agent is part of"],
    ["-n, --limit <count>", "how many"],
  ],
  examples: [
    "npm run traces -- dev",
    "npm run traces -- dev --agent agent-2f1c…",
    "npm run traces -- prod 4bf92f3577b34da6a3ce929d0e0e4736",
  ],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ gatherTraces }, { toolsOf }, { tracesText }] = await Promise.all([
      import("./reports/gatherTraces.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/tracesText.ts"),
    ]);
    const trace = asked.arguments[0];
    const found: Traces = await gatherTraces(
      settings,
      {
        trace,
        agent: asked.options["agent"] as string | undefined,
        limit: Number(asked.options["limit"] ?? 10),
      },
      toolsOf(terminal),
    );
    return { result: { ...found }, text: tracesText(found, trace, asked.environment) };
  },
});
