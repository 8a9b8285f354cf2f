import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";
import type { Traces } from "../checks/gatherTraces.ts";

await command({
  name: "traces",
  description: "Show the newest traces, or one of them with all its spans and log lines.",
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
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ gatherTraces }, { createContext }, { tracesText }] = await Promise.all([
      import("../checks/gatherTraces.ts"),
      import("./createContext.ts"),
      import("./tracesText.ts"),
    ]);
    const trace = input.arguments[0];
    const found: Traces = await gatherTraces(
      settings,
      {
        trace,
        agent: input.options["agent"] as string | undefined,
        limit: Number(input.options["limit"] ?? 10),
      },
      createContext(terminal),
    );
    return { result: { ...found }, text: tracesText(found, trace, input.environment) };
  },
});
