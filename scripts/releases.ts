import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "releases",
  about: "Show every release, newest first, and whether it can be gone back to.",
  environment: "first",
  options: [["--proof", "what this environment has proven, for STAGING_PROOF on another host"]],
  examples: ["npm run releases -- prod", "npm run -s releases -- staging --proof > staging.json"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    if (asked.options["proof"] === true) {
      const { join } = await import("node:path");
      const { stagingProof } = await import("./rollout/refuseGuarded.ts");
      const proof = stagingProof(join(settings.stateDir, settings.environment));
      return { result: { ...proof }, text: `${JSON.stringify(proof)}\n` };
    }
    const [{ listReleases }, { toolsOf }, { table }] = await Promise.all([
      import("./reports/listReleases.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const releases = await listReleases(settings, toolsOf(terminal));
    const head = ["release", "tag", "created", "outcome", "schema", "go back to it"];
    const rows = releases.map((one) => [
      one.id,
      one.restores === null ? one.tag : `${one.tag} (as ${one.restores})`,
      one.created.slice(0, 19).replace("T", " "),
      one.unverified.length === 0 ? one.outcome : `${one.outcome}, not verified`,
      one.revision ?? "",
      one.restorable
        ? `npm run rollback -- ${one.id} --env ${asked.environment}`
        : `no: ${one.reason}`,
    ]);
    const none = `${asked.environment}: no releases yet\n`;
    return { result: { releases }, text: rows.length === 0 ? none : table([head, ...rows]) };
  },
});
