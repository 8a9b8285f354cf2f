import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "settings",
  description: "Print each setting with where its value comes from; secrets are masked.",
  environment: "first",
  options: [["--explain <name>", "why one setting is what it is"]],
  examples: ["npm run settings -- dev", "npm run settings -- prod --explain LETTA_PG_URI"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal);
    const { table } = await import("./table.ts");
    const { explain } = input.options;
    const entries = settings.entries();
    if (typeof explain !== "string") {
      const shown = entries.map((one) => ({ ...one, value: one.secret ? "••••••" : one.value }));
      return {
        result: { settings: shown },
        text: table(shown.map((one) => [one.name, one.value, one.origin])),
      };
    }
    const { explainSetting } = await import("../settings/readSettings.ts");
    const explained = explainSetting(settings, explain);
    return {
      result: { explained },
      text: `${explained.name}: ${explained.description}\n  expected ${explained.expected}\n${table(
        explained.layers.map((one) => [one.wins ? "→" : " ", one.value, one.origin]),
      )}`,
    };
  },
});
