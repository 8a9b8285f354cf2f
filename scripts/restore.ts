import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "restore",
  about:
    "Put a backup in the place of the live database, which stays under another name. The release stays.",
  environment: "first",
  arguments: [["[backup]", "a backup's id; the newest proven one where it is left out"]],
  options: [
    ["--reason <text>", "why, for the history"],
    ["--wait", "wait for another run to end"],
    ["--foreign", "also a backup that this installation did not write, or not as it stands"],
    ["--adopt-state", "take over what another state directory made"],
    ["--end-sessions", "end sessions of others on the database while requests are paused"],
  ],
  flags: ["yes"],
  examples: ["npm run restore -- prod", "npm run restore -- prod 000003-20261121T073105Z"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal);
    const [{ restore }, { toolsOf }] = await Promise.all([
      import("./rollout/restore.ts"),
      import("./cli/toolsOf.ts"),
    ]);
    const wish = {
      wanted: asked.arguments[0],
      reason: (asked.options["reason"] as string | undefined) ?? null,
      wait: asked.options["wait"] === true,
      foreign: asked.options["foreign"] === true,
      adoptState: asked.options["adoptState"] === true,
      endSessions: asked.options["endSessions"] === true,
    };
    const outcome = await restore(settings, wish, toolsOf(terminal));
    const { backup, release, from, awaySeconds, retained } = outcome;
    const away =
      awaySeconds === null ? "" : `, the server was away for ${awaySeconds.toFixed(1)} s`;
    const { retainedText } = await import("./database/rowsOnlyIn.ts");
    const lines = retained
      .map(retainedText)
      .filter(Boolean)
      .map((line) => `  ${line}\n`);
    return {
      result: { backup: backup.id, release, from, awaySeconds, retained, steps: terminal.steps },
      text: `\n${asked.environment}: backup ${backup.id} is live as release ${release}, proven${away}\n${lines.join("")}`,
    };
  },
});
