import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood, releasesNewestFirst } from "../ledger/releases.ts";
import { readKey } from "../ledger/secretKey.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Settings } from "../settings/readSettings.ts";
import { validateStack } from "../stack/validateStack.ts";
import { observeChanges } from "./observeChanges.ts";
import { planRollout } from "./planRollout.ts";
import { refuseForeign, refuseFullDisk, refuseStateful, refuseTakenPorts } from "./preflight.ts";
import { prepareStack } from "./prepareStack.ts";
import { refuseChangedKey, refuseSmallDisk, refuseWrongPassword } from "./refuseGuarded.ts";
import { refuseUnsafe } from "./refuseUnsafe.ts";
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
  const needsEngine: NeedsEngine = async (name, look) =>
    engine.outcome === "passed" ? find(name, look) : skipped(name);
  const isDeployed = environment === "staging" || environment === "prod";
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
    ...(isDeployed
      ? await examineRelease(settings, needsEngine, tools)
      : await examineChanges(settings, needsEngine, tools)),
  ];
}

type NeedsEngine = (name: string, look: () => Promise<string>) => Promise<Finding>;

/** What an `up` would meet. */
async function examineChanges(settings: Settings, needsEngine: NeedsEngine, tools: Tools) {
  return [
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

/** What a deploy would meet. */
async function examineRelease(settings: Settings, needsEngine: NeedsEngine, tools: Tools) {
  const directory = join(settings.stateDir, settings.environment);
  const plan = () => planRollout(settings, undefined, tools);
  return [
    await needsEngine("images", async () =>
      (await plan()).images.map((one) => `${one.role}: ${one.source}`).join(", "),
    ),
    await needsEngine("ports", async () => {
      const { target, decision } = await plan();
      await refuseTakenPorts(target.prepared.stack, decision.changes, tools);
      return "free, or held by this stack";
    }),
    await needsEngine("data", async () => {
      const { target, decision } = await plan();
      refuseStateful(target.prepared.stack, decision.changes, []);
      return "no part that holds data would be recreated";
    }),
    await needsEngine("schema", async () => {
      const { decision } = await plan();
      refuseUnsafe(decision, settings, "deploy");
      return decision.schema.why;
    }),
    await needsEngine("encryption key", async () => {
      const key = readKey(directory);
      if (key !== undefined) refuseChangedKey(settings, newestGood(directory), key);
      return "the one the last release ran with";
    }),
    await needsEngine("database password", async () => {
      const { observed } = (await plan()).decision.situation;
      const postgres = observed.find(
        (one) => one.service === "postgres" && one.state === "running",
      );
      await refuseWrongPassword(settings, postgres?.id, tools);
      return postgres === undefined ? "no bundled database runs" : "it opens the database";
    }),
    await needsEngine("room for dump and copies", async () => {
      const { database } = (await plan()).decision.situation;
      if (database === undefined) return "there is no database yet";
      await refuseSmallDisk(directory, database, tools);
      return "enough for a dump, its copy and the one of before";
    }),
    await find("last run", async () => {
      const [newest] = releasesNewestFirst(directory);
      if (newest?.outcome !== "begun") return "came to its end";
      throw new Problem("INTERRUPTED", `${newest.kind} of release ${newest.id} was cut off`, {
        next: `npm run deploy:${settings.environment}`,
      });
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
