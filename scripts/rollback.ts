import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";
import { askableWays, type AskedWay } from "./rollout/askableWays.ts";

await command({
  name: "rollback",
  about:
    "Go back to a past release. Reads the database's schema first; where going back is not proven, nothing is touched.",
  environment: "option",
  arguments: [
    ["[release]", "a release's id or a server's version; the release before if left out"],
  ],
  options: [
    ["--database <way>", "the way, where the database is ahead of the release", askableWays],
    ["--from-dump <tables>", "with carry: tables whose rows come from the backup"],
    ["--foreign", "also by a backup that this installation did not write, or not as it stands"],
    ["--only <part>", "config: settings and configuration go back, images stay", ["config"]],
    ["--reason <text>", "why, for the history"],
    ["--recreate <services>", "parts with data that may be recreated, with commas between"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over what another state directory made"],
    ["--end-sessions", "end sessions of others on the database while requests are paused"],
  ],
  flags: ["yes", "dryRun"],
  examples: [
    "npm run rollback",
    "npm run rollback 0.15.1",
    "npm run rollback -- 000003 --database carry --reason 'agents fail'",
    "npm run rollback -- --only config   (the -- is needed: npm has a flag of that name)",
  ],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, asked.dryRun);
    if (asked.environment === "development") {
      const { refuseLocal } = await import("./cli/refuseLocal.ts");
      refuseLocal("rollback", asked.environment);
    }
    const list = (name: string) =>
      String(asked.options[name] ?? "")
        .split(",")
        .filter(Boolean);
    const wish = {
      wanted: asked.arguments[0],
      way: asked.options["database"] as AskedWay | undefined,
      fromDump: list("fromDump"),
      onlyConfiguration: asked.options["only"] === "config",
    };
    if (wish.fromDump.length > 0 && wish.way !== "carry") {
      const { Problem } = await import("./common/problem.ts");
      throw new Problem("USAGE", "expected --database carry with --from-dump, got another way");
    }
    if (asked.dryRun) {
      const { releasePlanAnswer } = await import("./cli/releasePlanAnswer.ts");
      return releasePlanAnswer(settings, wish, terminal);
    }
    const [{ rollback }, { toolsOf }, { rolloutAnswer }] = await Promise.all([
      import("./rollout/rollback.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/rolloutAnswer.ts"),
    ]);
    const more = {
      recreate: list("recreate"),
      foreign: asked.options["foreign"] === true,
      reason: (asked.options["reason"] as string | undefined) ?? null,
      wait: asked.options["wait"] === true,
      adoptState: asked.options["adoptState"] === true,
      endSessions: asked.options["endSessions"] === true,
    };
    const outcome = await rollback(settings, { ...wish, ...more }, toolsOf(terminal));
    return rolloutAnswer(settings, outcome, terminal.steps);
  },
});
