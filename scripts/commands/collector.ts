import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "collector",
  description: "Run the collector without Docker, with the settings of dev.",
  environment: "none",
  arguments: [
    ["[action]", "start (install, check, run until Ctrl-C), install or config; start if left out"],
  ],
  flags: ["yes"],
  examples: ["npm run collector", "npm run collector install", "npm run collector config"],
  async act(input, terminal) {
    const [{ Problem }, { collectorPlatform }] = await Promise.all([
      import("../common/problem.ts"),
      import("../docker/collectorBinary.ts"),
    ]);
    const [action = "start"] = input.arguments;
    if (!["start", "install", "config"].includes(action)) {
      throw new Problem("USAGE", `expected start, install or config, got ${action}`);
    }
    const platform = collectorPlatform(process.platform, process.arch);
    const settings = await loadSettings(input, terminal, true);
    const [{ localCollector }, { createContext }] = await Promise.all([
      import("./localCollector/localCollector.ts"),
      import("./createContext.ts"),
    ]);
    const local = localCollector(settings, platform, createContext(terminal));
    if (action === "config") {
      const { choice, text } = local.plan();
      terminal.note(`profile ${choice.profile}: ${choice.cause}`);
      return { result: { profile: choice.profile, configuration: text }, text };
    }
    const { table } = await import("./table.ts");
    if (action === "install") {
      const { path, version, sha256, source } = await local.install();
      const rows = [
        ["collector", `${version}  ${path}`],
        ["SHA-256", sha256],
        ["from", source],
      ];
      return { result: { path, version, sha256, source }, text: table(rows) };
    }
    const { endWithParent } = await import("./endWithParent.ts");
    endWithParent();
    const reported = await local.start((rows) => {
      for (const line of table(rows).trimEnd().split("\n")) terminal.note(line.trimStart());
    });
    return {
      result: { ...reported },
      text: `collector ${reported.version}: ${reported.outcome}\n`,
    };
  },
});
