import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "backup",
  about: "Dump the database and prove that the dump restores: the same rows in every table.",
  environment: "first",
  options: [
    ["--reason <text>", "why, for the history"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over what another state directory made"],
  ],
  flags: ["yes"],
  examples: ["npm run backup -- prod"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal);
    const [{ backUp }, { toolsOf }, { dumpPath }, { join }] = await Promise.all([
      import("./rollout/backUp.ts"),
      import("./cli/toolsOf.ts"),
      import("./ledger/backups.ts"),
      import("node:path"),
    ]);
    const reason = (asked.options["reason"] as string | undefined) ?? null;
    const wait = asked.options["wait"] === true;
    const { backup, release } = await backUp(
      settings,
      { reason, wait, adoptState: asked.options["adoptState"] === true },
      toolsOf(terminal),
    );
    const { globals: _globals, ...told } = backup;
    const path = dumpPath(join(settings.stateDir, settings.environment), backup.id);
    const [how, back] =
      backup.proven === null
        ? ["not verified: the database's role may not restore into a new database", ""]
        : ["proven", `  back: npm run restore -- ${asked.environment} ${backup.id}\n`];
    return {
      result: { backup: told, path, release, steps: terminal.steps },
      text: `\n${asked.environment}: backup ${backup.id}, ${how}\n  ${path}\n${back}`,
    };
  },
});
