import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";
import { bringUpCommand } from "./settings/bringUpCommand.ts";

await command({
  name: "status",
  about: "Show what runs now: each part, its image, health and the release it came with.",
  environment: "first",
  examples: ["npm run status -- dev", "npm run -s status -- dev --json"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ observeStatus }, { toolsOf }, { table }] = await Promise.all([
      import("./reports/observeStatus.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const status = await observeStatus(settings, toolsOf(terminal));
    const head = ["service", "state", "health", "version", "release", "image"];
    const rows = status.services.map((one) => [
      one.service,
      one.state,
      one.health,
      one.version ?? "",
      one.release ?? "",
      one.image,
    ]);
    const nothing = `${asked.environment}: nothing runs; ${bringUpCommand(asked.environment)}\n`;
    return {
      result: { ...status },
      text:
        rows.length === 0
          ? nothing
          : `${asked.environment}: release ${status.release}\n${table([head, ...rows])}`,
    };
  },
});
