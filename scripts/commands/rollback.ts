import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";
import { type DatabaseOption, databaseOptions } from "../deploy/planSchema.ts";

await command({
  name: "rollback",
  description:
    "Roll back to an earlier release. Checks the schema first; refuses if no rollback is verified.",
  environment: "option",
  arguments: [
    ["[release]", "a release's id or a server's version; the previous release if left out"],
  ],
  options: [
    [
      "--database <strategy>",
      "the database strategy, where the database is ahead of the release",
      databaseOptions,
    ],
    ["--from-dump <tables>", "with copy: tables whose rows are taken from the backup"],
    ["--foreign", "accept a backup of another installation, or one changed since"],
    ["--only <part>", "config: roll back settings and configuration, keep the images", ["config"]],
    ["--reason <text>", "why, for the history"],
    ["--recreate <services>", "comma-separated stateful services that may be recreated"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over the stack of another state directory"],
    ["--end-sessions", "end other sessions on the database while requests are paused"],
  ],
  flags: ["yes", "dryRun"],
  examples: [
    "npm run rollback",
    "npm run rollback 0.15.1",
    "npm run rollback -- 000003 --database copy --reason 'agents fail'",
    "npm run rollback -- --only config   (the -- is needed: npm has a flag of that name)",
  ],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, input.dryRun);
    if (input.environment === "development") {
      const { assertDeployable } = await import("./commandDefinition.ts");
      assertDeployable("rollback", input.environment);
    }
    const list = (name: string) =>
      String(input.options[name] ?? "")
        .split(",")
        .filter(Boolean);
    const requested = {
      requested: input.arguments[0],
      databaseStrategy: input.options["database"] as DatabaseOption | undefined,
      fromDump: list("fromDump"),
      onlyConfiguration: input.options["only"] === "config",
    };
    if (requested.fromDump.length > 0 && requested.databaseStrategy !== "copy") {
      const { Problem } = await import("../common/problem.ts");
      throw new Problem("USAGE", "expected --database copy with --from-dump, got another strategy");
    }
    if (input.dryRun) {
      const { releasePlanAnswer } = await import("./planAnswer.ts");
      return releasePlanAnswer(settings, requested, terminal);
    }
    const [{ rollback }, { createContext }, { rolloutAnswer }, { reportingFailure }] =
      await Promise.all([
        import("../deploy/rollback.ts"),
        import("./createContext.ts"),
        import("./rolloutAnswer.ts"),
        import("./writeReport.ts"),
      ]);
    const more = {
      recreate: list("recreate"),
      foreign: input.options["foreign"] === true,
      reason: (input.options["reason"] as string | undefined) ?? null,
      wait: input.options["wait"] === true,
      adoptState: input.options["adoptState"] === true,
      endSessions: input.options["endSessions"] === true,
    };
    const outcome = await reportingFailure(settings, terminal, () =>
      rollback(settings, { ...requested, ...more }, createContext(terminal)),
    );
    return rolloutAnswer(settings, outcome, terminal.steps);
  },
});
