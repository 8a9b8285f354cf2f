import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "backup",
  description:
    "Dump the database and verify that the dump restores with the same rows in every table.",
  environment: "first",
  options: [
    ["--reason <text>", "why, for the history"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over the stack of another state directory"],
  ],
  flags: ["yes"],
  examples: ["npm run backup -- prod"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal);
    const [{ backUp }, { createContext }, { dumpPath }, { join }] = await Promise.all([
      import("../deploy/backUp.ts"),
      import("./createContext.ts"),
      import("../state/backups.ts"),
      import("node:path"),
    ]);
    const reason = (input.options["reason"] as string | undefined) ?? null;
    const wait = input.options["wait"] === true;
    const { backup, release } = await backUp(
      settings,
      { reason, wait, adoptState: input.options["adoptState"] === true },
      createContext(terminal),
    );
    const { globals: _globals, ...reported } = backup;
    const path = dumpPath(join(settings.stateDir, settings.environment), backup.id);
    const [how, back] =
      backup.verified === null
        ? ["not verified: the database's role may not restore into a new database", ""]
        : ["verified", `  back: npm run restore -- ${input.environment} ${backup.id}\n`];
    return {
      result: { backup: reported, path, release, steps: terminal.steps },
      text: `\n${input.environment}: backup ${backup.id}, ${how}\n  ${path}\n${back}`,
    };
  },
});
