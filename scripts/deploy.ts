import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "deploy",
  about: "Deploy a release. Rolls back automatically on failure.",
  environment: "first",
  arguments: [
    ["[tag]", "the server's version; LETTA_VERSION of the settings where it is left out"],
  ],
  options: [
    ["--reason <text>", "why, for the history"],
    ["--recreate <services>", "parts with data that may be recreated, with commas between"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over what another state directory made"],
    ["--end-sessions", "end sessions of others on the database while requests are paused"],
    ["--despite-failures", "deploy although the server fails already"],
  ],
  flags: ["yes", "dryRun"],
  examples: ["npm run deploy:prod", "npm run deploy:prod -- 0.16.8 --reason 'new release'"],
  async act(asked, terminal) {
    const [tag] = asked.arguments;
    const over = tag === undefined ? {} : { LETTA_VERSION: tag };
    const settings = await settingsOf(asked, terminal, asked.dryRun, over);
    const { refuseLocal } = await import("./cli/refuseLocal.ts");
    refuseLocal("deploy", asked.environment);
    if (asked.dryRun) {
      const { releasePlanAnswer } = await import("./cli/releasePlanAnswer.ts");
      return releasePlanAnswer(settings, undefined, terminal);
    }
    const [{ deploy }, { toolsOf }, { rolloutAnswer }] = await Promise.all([
      import("./rollout/deploy.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/rolloutAnswer.ts"),
    ]);
    const recreate = String(asked.options["recreate"] ?? "")
      .split(",")
      .filter(Boolean);
    const reason = (asked.options["reason"] as string | undefined) ?? null;
    const wait = asked.options["wait"] === true;
    const endSessions = asked.options["endSessions"] === true;
    const despiteFailures = asked.options["despiteFailures"] === true;
    const adoptState = asked.options["adoptState"] === true;
    const wish = { reason, wait, recreate, endSessions, despiteFailures, adoptState };
    const outcome = await deploy(settings, wish, toolsOf(terminal));
    return rolloutAnswer(settings, outcome, terminal.steps);
  },
});
