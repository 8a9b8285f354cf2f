import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "up",
  about: "Bring the local stack up, or repair what differs, and prove that it works.",
  environment: "first",
  options: [
    ["--recreate <services>", "parts with data that may be recreated, with commas between"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over what another state directory made"],
  ],
  flags: ["yes", "dryRun"],
  examples: ["npm run up:dev", "npm run up:dev -- --yes --json", "npm run up:dev -- --dry-run"],
  async act(asked, terminal) {
    const { refuseRemote } = await import("./cli/refuseRemote.ts");
    refuseRemote("up", asked.environment);
    if (asked.dryRun) {
      const { planAnswer } = await import("./cli/planAnswer.ts");
      return planAnswer(await settingsOf(asked, terminal, true), terminal);
    }
    const { countedEnvironment } = await import("./settings/countedEnvironment.ts");
    const { initSecrets } = await import("./settings/initSecrets.ts");
    const { randomBytes } = await import("node:crypto");
    const secrets = await initSecrets({
      environment: asked.environment,
      root: asked.root,
      processEnvironment: countedEnvironment(asked.environment, process.env, asked.fromEnv).counted,
      random: randomBytes,
      day: new Date().toISOString().slice(0, 10),
    });
    if (secrets.generated.length > 0) {
      terminal.note(`generated ${secrets.generated.join(", ")} into ${secrets.file}`);
    }
    const settings = await settingsOf(asked, terminal);
    const [{ up }, { toolsOf }, { upSummary }] = await Promise.all([
      import("./rollout/up.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/upSummary.ts"),
    ]);
    const recreate = String(asked.options["recreate"] ?? "")
      .split(",")
      .filter(Boolean);
    const outcome = await up(
      settings,
      {
        recreate,
        wait: asked.options["wait"] === true,
        adoptState: asked.options["adoptState"] === true,
      },
      toolsOf(terminal),
    );
    const version = outcome.checks.find((one) => one.name === "server version");
    return {
      result: {
        release: outcome.release,
        from: outcome.from,
        steps: terminal.steps,
        server: { version: version?.outcome === "passed" ? version.detail : null },
        changes: outcome.changes,
        checks: outcome.checks,
        retained: outcome.retained,
      },
      text: upSummary(settings, outcome),
    };
  },
});
