import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "releases",
  description: "List every release, newest first, and whether it can be restored.",
  environment: "first",
  options: [
    [
      "--verified",
      "print what this environment has verified, for STAGING_VERIFICATION on another host",
    ],
  ],
  examples: [
    "npm run releases -- prod",
    "npm run -s releases -- staging --verified > staging.json",
  ],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    if (input.options["verified"] === true) {
      const { join } = await import("node:path");
      const { stagingVerification } = await import("../deploy/guards.ts");
      const verification = stagingVerification(join(settings.stateDir, settings.environment));
      return { result: { ...verification }, text: `${JSON.stringify(verification)}\n` };
    }
    const [{ listReleases }, { createContext }, { table }] = await Promise.all([
      import("../checks/listReleases.ts"),
      import("./createContext.ts"),
      import("./table.ts"),
    ]);
    const releases = await listReleases(settings, createContext(terminal));
    const head = ["release", "tag", "created", "outcome", "schema", "roll back to it"];
    const rows = releases.map((one) => [
      one.id,
      one.restores === null ? one.tag : `${one.tag} (as ${one.restores})`,
      one.created.slice(0, 19).replace("T", " "),
      one.unverified.length === 0 ? one.outcome : `${one.outcome}, not verified`,
      one.revision ?? "",
      one.restorable
        ? `npm run rollback -- ${one.id} --env ${input.environment}`
        : `no: ${one.reason}`,
    ]);
    const none = `${input.environment}: no releases yet\n`;
    return { result: { releases }, text: rows.length === 0 ? none : table([head, ...rows]) };
  },
});
