import { join } from "node:path";
import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";
import { bringUpCommand } from "../settings/environmentName.ts";

await command({
  name: "status",
  description: "Show what runs now: each part, its image, health and the release it came with.",
  environment: "first",
  examples: ["npm run status -- dev", "npm run -s status -- dev --json"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ observeStatus }, { createContext }, { table }] = await Promise.all([
      import("../checks/observeStatus.ts"),
      import("./createContext.ts"),
      import("./table.ts"),
    ]);
    const status = await observeStatus(settings, createContext(terminal));
    const { readOffsite } = await import("../state/offsite.ts");
    const offsite = readOffsite(join(settings.stateDir, settings.environment)) ?? null;
    const away =
      offsite === null
        ? "off this machine: no backup\n"
        : `off this machine: backup ${offsite.backup}, stored ${offsite.at}, ${offsite.place}\n`;
    const head = ["service", "state", "health", "version", "release", "image"];
    const rows = status.services.map((one) => [
      one.service,
      one.state,
      one.health,
      one.version ?? "",
      one.release ?? "",
      one.image,
    ]);
    const nothing = `${input.environment}: nothing runs; ${bringUpCommand(input.environment)}\n`;
    return {
      result: { ...status, offsite },
      text:
        rows.length === 0
          ? nothing
          : `${input.environment}: release ${status.release}\n${table([head, ...rows])}${away}`,
    };
  },
});
