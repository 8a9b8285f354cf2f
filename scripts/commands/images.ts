import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "images",
  description:
    "Build images from docker/ without an image registry. Unchanged ones are not rebuilt.",
  environment: "none",
  arguments: [
    ["<action>", "build"],
    ["[role]", "probe, postgres, letta, collector, proxy, clickhouse; all if left out"],
  ],
  options: [["--env <env>", "environment whose versions and target apply; dev if left out"]],
  flags: ["yes"],
  examples: ["npm run images -- build", "npm run images -- build letta --env development"],
  async act(input, terminal) {
    const [{ Problem }, { environmentName }, { buildRoles }, { createContext }] = await Promise.all(
      [
        import("../common/problem.ts"),
        import("../settings/environmentName.ts"),
        import("../deploy/buildImages.ts"),
        import("./createContext.ts"),
      ],
    );
    const [action = "", role] = input.arguments;
    if (action !== "build") throw new Problem("USAGE", `expected build, got ${action}`);
    const environment = environmentName(String(input.options["env"] ?? "dev"));
    const settings = await loadSettings({ ...input, environment }, terminal, true);
    const images = await buildRoles(settings, role, createContext(terminal));
    const { table } = await import("./table.ts");
    return {
      result: { environment, images, steps: terminal.steps },
      text: table(
        images.map((one) => [one.role, one.reference, one.built ? "built" : "unchanged"]),
      ),
    };
  },
});
