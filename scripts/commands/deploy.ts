import { command } from "./command.ts";
import { loadSettings, noteUnused } from "./loadSettings.ts";

await command({
  name: "deploy",
  description: "Deploy a release. Rolls back automatically on failure.",
  environment: "first",
  arguments: [["[tag]", "the server's version; LETTA_VERSION if left out"]],
  options: [
    ["--reason <text>", "why, for the history"],
    ["--recreate <services>", "comma-separated stateful services that may be recreated"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over the stack of another state directory"],
    ["--end-sessions", "end other sessions on the database while requests are paused"],
    ["--despite-failures", "deploy although the server is already failing"],
  ],
  flags: ["yes", "dryRun"],
  examples: ["npm run deploy:prod", "npm run deploy:prod -- 0.16.8 --reason 'new release'"],
  async act(input, terminal) {
    const [tag] = input.arguments;
    const over = tag === undefined ? {} : { LETTA_VERSION: tag };
    const settings = await loadSettings(input, terminal, input.dryRun, over);
    await noteUnused(settings, terminal);
    const { assertDeployable } = await import("./commandDefinition.ts");
    assertDeployable("deploy", input.environment);
    if (input.dryRun) {
      const { releasePlanAnswer } = await import("./planAnswer.ts");
      return releasePlanAnswer(settings, undefined, terminal);
    }
    const [{ deploy }, { createContext }, { rolloutAnswer }, { reportingFailure }] =
      await Promise.all([
        import("../deploy/deploy.ts"),
        import("./createContext.ts"),
        import("./rolloutAnswer.ts"),
        import("./writeReport.ts"),
      ]);
    const recreate = String(input.options["recreate"] ?? "")
      .split(",")
      .filter(Boolean);
    const reason = (input.options["reason"] as string | undefined) ?? null;
    const wait = input.options["wait"] === true;
    const endSessions = input.options["endSessions"] === true;
    const despiteFailures = input.options["despiteFailures"] === true;
    const adoptState = input.options["adoptState"] === true;
    const requested = { reason, wait, recreate, endSessions, despiteFailures, adoptState };
    const outcome = await reportingFailure(settings, terminal, () =>
      deploy(settings, requested, createContext(terminal)),
    );
    return rolloutAnswer(settings, outcome, terminal.steps);
  },
});
