import { command } from "./command.ts";
import { loadSettings, noteUnused } from "./loadSettings.ts";

await command({
  name: "up",
  description: "Bring the local stack up, or repair what differs, and verify that it works.",
  environment: "first",
  options: [
    ["--recreate <services>", "comma-separated stateful services that may be recreated"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over the stack of another state directory"],
  ],
  flags: ["yes", "dryRun"],
  examples: ["npm run up:dev", "npm run up:dev -- --yes --json", "npm run up:dev -- --dry-run"],
  async act(input, terminal) {
    const { assertLocal } = await import("./commandDefinition.ts");
    assertLocal("up", input.environment);
    if (input.dryRun) {
      const { planAnswer } = await import("./planAnswer.ts");
      const settings = await loadSettings(input, terminal, true);
      await noteUnused(settings, terminal);
      return planAnswer(settings, terminal);
    }
    const { countedEnvironment } = await import("../settings/gatherLayers.ts");
    const { initSecrets } = await import("../settings/secrets.ts");
    const { randomBytes } = await import("node:crypto");
    const secrets = await initSecrets({
      environment: input.environment,
      root: input.root,
      processEnvironment: countedEnvironment(input.environment, process.env, input.fromEnv).counted,
      random: randomBytes,
      day: new Date().toISOString().slice(0, 10),
    });
    if (secrets.generated.length > 0) {
      terminal.note(`generated ${secrets.generated.join(", ")} into ${secrets.file}`);
    }
    const settings = await loadSettings(input, terminal);
    await noteUnused(settings, terminal);
    const [{ clientUrl }, { up }, { createContext }, { upSummary }] = await Promise.all([
      import("../checks/expectation.ts"),
      import("../deploy/up.ts"),
      import("./createContext.ts"),
      import("./rolloutAnswer.ts"),
    ]);
    const recreate = String(input.options["recreate"] ?? "")
      .split(",")
      .filter(Boolean);
    const outcome = await up(
      settings,
      {
        recreate,
        wait: input.options["wait"] === true,
        adoptState: input.options["adoptState"] === true,
      },
      createContext(terminal),
    );
    const version = outcome.checks.find((one) => one.name === "server version");
    return {
      result: {
        release: outcome.release,
        from: outcome.from,
        steps: terminal.steps,
        server: { version: version?.outcome === "passed" ? version.detail : null },
        url: clientUrl(outcome.prepared.stack, settings.get("PROXY_DOMAIN")),
        changes: outcome.changes,
        checks: outcome.checks,
        retained: outcome.retained,
      },
      text: upSummary(settings, outcome),
    };
  },
});
