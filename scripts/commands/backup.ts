import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "backup",
  description:
    "Dump the database and verify that the dump restores with the same rows in every table; with --to or BACKUP_TO also off this machine, encrypted.",
  environment: "first",
  options: [
    [
      "--to <place>",
      "also store it at s3:https://<host>/<bucket>, sftp:<user>@<host>:<folder> or an absolute path; BACKUP_TO by default",
    ],
    ["--reason <text>", "why, for the history"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over the stack of another state directory"],
  ],
  flags: ["yes"],
  examples: ["npm run backup -- prod", "npm run backup -- prod --to sftp:backup@host:letta"],
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
    const to =
      (input.options["to"] as string | undefined) ?? (settings.get("BACKUP_TO") || undefined);
    const { backup, release, offsite } = await backUp(
      settings,
      { reason, wait, adoptState: input.options["adoptState"] === true, to },
      createContext(terminal),
    );
    const { globals: _globals, ...reported } = backup;
    const path = dumpPath(join(settings.stateDir, settings.environment), backup.id);
    const [how, back] =
      backup.verified === null
        ? ["not verified: the database's role may not restore into a new database", ""]
        : ["verified", `  back: npm run restore -- ${input.environment} ${backup.id}\n`];
    const away =
      offsite === null
        ? ""
        : `  ${offsite.place}: snapshot ${offsite.snapshot.slice(0, 8)}, read back\n`;
    return {
      result: { backup: reported, path, release, offsite, steps: terminal.steps },
      text: `\n${input.environment}: backup ${backup.id}, ${how}\n  ${path}\n${away}${back}`,
    };
  },
});
