import { Problem } from "../common/problem.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Settings } from "../settings/readSettings.ts";
import { validateStack } from "../stack/validateStack.ts";
import { observeChanges } from "./observeChanges.ts";
import { refuseForeign, refuseFullDisk, refuseStateful, refuseTakenPorts } from "./preflight.ts";
import { prepareStack } from "./prepareStack.ts";
import { expectVersions } from "./readyEngine.ts";
import type { Tools } from "./tools.ts";

export interface Finding {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly detail: string;
  /** The command to go on with, where one failed. */
  readonly next: string | null;
}

/**
 * Every check that a rollout makes before it touches anything, all of them even where the
 * first one fails. Reads only.
 */
export async function examine(settings: Settings, tools: Tools): Promise<Finding[]> {
  const { project, environment } = settings;
  const engine = await find("engine", async () => {
    await tools.engine.ping();
    return tools.engine.endpoint;
  });
  const needsEngine = (name: string, look: () => Promise<string>) =>
    engine.outcome === "passed" ? find(name, look) : skipped(name);
  return [
    await find("settings", async () => `${settings.entries().length} are set and valid`),
    await find("stack", async () => {
      const { stack } = prepareStack(settings, { release: "000000" });
      await validateStack(stack);
      return stack.services.map((one) => one.name).join(", ");
    }),
    await find("state directory", async () => stateDirectory(settings.stateDir, environment)),
    engine,
    await needsEngine("versions", async () => {
      await expectVersions(tools);
      const { engine: found, compose } = await tools.engine.versions();
      return `engine ${found}, Compose ${compose}`;
    }),
    await needsEngine("disk", async () => {
      await refuseFullDisk("run", tools);
      return `enough room below ${await tools.engine.dataRoot()}`;
    }),
    await needsEngine("project name", async () => {
      refuseForeign(project, await tools.engine.containers(project));
      return `${project} is ours`;
    }),
    await needsEngine("images", async () => {
      const { images } = await observeChanges(settings, tools);
      return images.map((one) => `${one.role}: ${one.source}`).join(", ");
    }),
    await needsEngine("ports", async () => {
      const { prepared, changes } = await observeChanges(settings, tools);
      await refuseTakenPorts(prepared.stack, changes, tools);
      return "free, or held by this stack";
    }),
    await needsEngine("data", async () => {
      const { prepared, changes } = await observeChanges(settings, tools);
      refuseStateful(prepared.stack, changes, []);
      return "no part that holds data would be recreated";
    }),
  ];
}

async function find(name: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { name, outcome: "passed", detail: await look(), next: null };
  } catch (error) {
    if (error instanceof Problem) {
      const detail = [error.message, ...error.details].join("; ");
      return { name, outcome: "failed", detail, next: error.next ?? null };
    }
    const next = name === "engine" ? "npm run up:dev" : "npm run doctor -- --verbose";
    return { name, outcome: "failed", detail: (error as Error).message, next };
  }
}

function skipped(name: string): Finding {
  return { name, outcome: "skipped", detail: "no engine to ask", next: null };
}
