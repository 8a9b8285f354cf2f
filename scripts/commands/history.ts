import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "history",
  description: "List past commands, newest first: who, when, why, how long, outcome.",
  environment: "first",
  options: [["--limit <count>", "how many at most; 50 if left out"]],
  examples: ["npm run history -- prod", "npm run -s history -- prod --limit 5 --json"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ readHistory }, { table }] = await Promise.all([
      import("../checks/listReleases.ts"),
      import("./table.ts"),
    ]);
    const limit = Number(input.options["limit"] ?? 50);
    if (!Number.isInteger(limit) || limit < 1) {
      const { Problem } = await import("../common/problem.ts");
      throw new Problem("USAGE", "--limit: expected a whole number above 0");
    }
    const { events, damaged } = await readHistory(settings, limit);
    const head = ["when", "who", "what", "release", "seconds", "how it ended", "why"];
    const rows = events.map((one) => [
      one.at.slice(0, 19).replace("T", " "),
      one.by ?? "",
      one.command,
      one.release ?? "",
      one.seconds?.toFixed(1) ?? "",
      one.message === null || one.outcome === "done"
        ? one.outcome
        : `${one.outcome}: ${one.message}`,
      one.reason ?? "",
    ]);
    const note = damaged === 0 ? "" : `  (${damaged} damaged lines were passed over)\n`;
    const none = `${input.environment}: nothing was done yet\n`;
    return {
      result: { events, damaged },
      text: rows.length === 0 ? none : table([head, ...rows]) + note,
    };
  },
});
