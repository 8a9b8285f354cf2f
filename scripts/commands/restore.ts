import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "restore",
  description:
    "Replace the live database by a backup. The replaced database is retained under another name.",
  environment: "first",
  arguments: [["[backup]", "a backup's id; the newest verified one by default"]],
  options: [
    ["--reason <text>", "why, for the history"],
    ["--wait", "wait for another run to end"],
    ["--foreign", "accept a backup of another installation, or one changed since"],
    ["--adopt-state", "take over the stack of another state directory"],
    ["--end-sessions", "end other sessions on the database while requests are paused"],
  ],
  flags: ["yes"],
  examples: ["npm run restore -- prod", "npm run restore -- prod 000003-20261121T073105Z"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal);
    const [{ restore }, { createContext }] = await Promise.all([
      import("../deploy/restore.ts"),
      import("./createContext.ts"),
    ]);
    const requested = {
      requested: input.arguments[0],
      reason: (input.options["reason"] as string | undefined) ?? null,
      wait: input.options["wait"] === true,
      foreign: input.options["foreign"] === true,
      adoptState: input.options["adoptState"] === true,
      endSessions: input.options["endSessions"] === true,
    };
    const outcome = await restore(settings, requested, createContext(terminal));
    const { backup, release, from, downtimeSeconds, retained } = outcome;
    const away = downtimeSeconds === null ? "" : `, downtime ${downtimeSeconds.toFixed(1)} s`;
    const { retainedText } = await import("../database/rowsOnlyIn.ts");
    const lines = retained
      .map(retainedText)
      .filter(Boolean)
      .map((line) => `  ${line}\n`);
    return {
      result: {
        backup: backup.id,
        release,
        from,
        downtimeSeconds,
        retained,
        steps: terminal.steps,
      },
      text: `\n${input.environment}: backup ${backup.id} is live as release ${release}, verified${away}\n${lines.join("")}`,
    };
  },
});
