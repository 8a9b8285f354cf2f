import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "images",
  about: "Build the roles of docker/ without an image registry. What has not changed is not built.",
  environment: "none",
  arguments: [
    ["<action>", "build"],
    ["[role]", "probe, postgres, letta, collector, proxy, clickhouse; all where none is named"],
  ],
  options: [["--env <env>", "whose settings (versions, target) apply; dev where none is named"]],
  flags: ["yes"],
  examples: ["npm run images -- build", "npm run images -- build letta --env development"],
  async act(asked, terminal) {
    const [{ Problem }, { environmentName }, { buildRoles }, { toolsOf }] = await Promise.all([
      import("./common/problem.ts"),
      import("./settings/environmentName.ts"),
      import("./preparation/buildRoles.ts"),
      import("./cli/toolsOf.ts"),
    ]);
    const [action = "", role] = asked.arguments;
    if (action !== "build") throw new Problem("USAGE", `expected build, got ${action}`);
    const environment = environmentName(String(asked.options["env"] ?? "dev"));
    const settings = await settingsOf({ ...asked, environment }, terminal, true);
    const images = await buildRoles(settings, role, toolsOf(terminal));
    const { table } = await import("./cli/table.ts");
    return {
      result: { environment, images, steps: terminal.steps },
      text: table(
        images.map((one) => [one.role, one.reference, one.built ? "built" : "unchanged"]),
      ),
    };
  },
});
