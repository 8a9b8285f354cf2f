import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { diagnose, passed, skipped, type Finding, type Judgement } from "../diagnosis/diagnose.ts";
import { diagnoseLoopback, isLoopback } from "../diagnosis/diagnoseLoopback.ts";
import { lackText } from "../database/judgeDatabase.ts";
import { newestGood, releasesNewestFirst } from "../ledger/releases.ts";
import { readKey } from "../ledger/secretKey.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import { expectVersions } from "../parts/readyEngine.ts";
import type { Tools } from "../parts/tools.ts";
import {
  refuseForeign,
  refuseFullDisk,
  refuseStateful,
  refuseTakenPorts,
} from "../preparation/preflight.ts";
import { prepareStack } from "../preparation/prepareStack.ts";
import { observeChanges } from "../rollout/observeChanges.ts";
import { planRollout } from "../rollout/planRollout.ts";
import {
  refuseChangedKey,
  refuseSmallDisk,
  refuseWrongPassword,
} from "../rollout/refuseGuarded.ts";
import { refuseUnsafe } from "../rollout/refuseUnsafe.ts";
import type { Settings } from "../settings/readSettings.ts";
import { validateStack } from "../stack/validateStack.ts";
import { examineAdvisories } from "./examineAdvisories.ts";
import { examineCertificate } from "./examineCertificate.ts";
import { examineTelemetry, type Machine } from "./examineTelemetry.ts";

export type { Finding };

/**
 * Every check that a rollout makes before it touches anything, those of its telemetry, and the
 * known faults of its versions: all of them even where the first one fails, side by side. Reads
 * only.
 * @param machine this machine, as Node calls it
 */
export async function examine(
  settings: Settings,
  tools: Tools,
  machine: Machine,
): Promise<Finding[]> {
  const { project, environment } = settings;
  const engine = find("engine", async () => {
    await tools.engine.ping();
    return tools.engine.endpoint;
  });
  const needsEngine: NeedsEngine = async (name, look) =>
    (await engine).outcome === "passed"
      ? find(name, look)
      : { name, ...skipped("no engine to ask") };
  const isDeployed = environment === "staging" || environment === "prod";
  const before = [
    find("settings", async () => `${settings.entries().length} are set and valid`),
    find("stack", async () => {
      const { stack } = prepareStack(settings, { release: "000000" });
      await validateStack(stack);
      return stack.services.map((one) => one.name).join(", ");
    }),
    find("state directory", async () => stateDirectory(settings.stateDir, environment)),
    engine,
    needsEngine("versions", async () => {
      await expectVersions(tools);
      const { engine: found, compose } = await tools.engine.versions();
      return `engine ${found}, Compose ${compose}`;
    }),
    needsEngine("disk", async () => {
      const isSeen = await refuseFullDisk("run", tools);
      if (!isSeen) return skipped("the engine's disk is not on this host");
      return `enough room below ${await tools.engine.dataRoot()}`;
    }),
    needsEngine("loopback ports", async () => {
      const { services } = prepareStack(settings, { release: "000000" }).stack;
      const ports = services.flatMap(({ name, ports: all }) =>
        all
          .filter((one) => isLoopback(one.host))
          .map((one) => `${name} ${one.host}:${one.published}`),
      );
      const { engine: found } = await tools.engine.versions();
      return diagnoseLoopback(found, ports, isDeployed);
    }),
    needsEngine("project name", async () => {
      refuseForeign(project, await tools.engine.containers(project));
      return `${project} is ours`;
    }),
    ...(isDeployed
      ? examineRelease(settings, needsEngine, tools)
      : examineChanges(settings, needsEngine, tools)),
  ];
  const answers = engine.then((one) => one.outcome === "passed");
  const telemetry = examineTelemetry(settings, answers, tools, machine);
  const certificate = examineCertificate(settings, answers, tools);
  const advisories = examineAdvisories(settings, answers, tools);
  const after = await Promise.all([certificate, telemetry, advisories]);
  return [...(await Promise.all(before)), ...after.flat()];
}

type NeedsEngine = (name: string, look: () => Promise<string | Judgement>) => Promise<Finding>;

/** What an `up` would meet. */
function examineChanges(settings: Settings, needsEngine: NeedsEngine, tools: Tools) {
  const observe = once(() => observeChanges(settings, tools));
  return [
    needsEngine("images", async () => {
      const { images } = await observe();
      return images.map((one) => `${one.role}: ${one.source}`).join(", ");
    }),
    needsEngine("ports", async () => {
      const { prepared, changes } = await observe();
      await refuseTakenPorts(prepared.stack, changes, tools);
      return "free, or held by this stack";
    }),
    needsEngine("data", async () => {
      const { prepared, changes } = await observe();
      refuseStateful(prepared.stack, changes, []);
      return "no part that holds data would be recreated";
    }),
  ];
}

/** What a deploy would meet. */
function examineRelease(settings: Settings, needsEngine: NeedsEngine, tools: Tools) {
  const directory = join(settings.stateDir, settings.environment);
  const plan = once(() => planRollout(settings, undefined, tools));
  return [
    needsEngine("images", async () =>
      (await plan()).images.map((one) => `${one.role}: ${one.source}`).join(", "),
    ),
    needsEngine("ports", async () => {
      const { target, decision } = await plan();
      await refuseTakenPorts(target.prepared.stack, decision.changes, tools);
      return "free, or held by this stack";
    }),
    needsEngine("data", async () => {
      const { target, decision } = await plan();
      refuseStateful(target.prepared.stack, decision.changes, []);
      return "no part that holds data would be recreated";
    }),
    needsEngine("schema", async () => {
      const { decision } = await plan();
      refuseUnsafe(decision, settings, "deploy");
      return decision.schema.why;
    }),
    needsEngine("external database", async () => {
      if (!settings.has("LETTA_PG_URI")) return skipped("the database is bundled");
      const { limits } = (await plan()).decision;
      const [first] = limits;
      if (first === undefined) return "its role has every right that the tool uses";
      const notes = limits.map((one) => `${lackText(one)} (${one.next})`);
      return {
        ...passed(`serves, with ${limits.length} limits: ${lackText(first)}`, notes),
        next: first.next,
      };
    }),
    needsEngine("encryption key", async () => {
      const { encryptionKey } = (await plan()).decision.situation;
      const last = newestGood(directory);
      return refuseChangedKey(settings, last, readKey(directory), encryptionKey)
        ? "the one the last release ran with"
        : skipped("neither a release here nor the database tells which key it ran with");
    }),
    needsEngine("database password", async () => {
      const { observed } = (await plan()).decision.situation;
      const postgres = observed.find(
        (one) => one.service === "postgres" && one.state === "running",
      );
      await refuseWrongPassword(settings, postgres?.id, tools);
      return postgres === undefined ? "no bundled database runs" : "it opens the database";
    }),
    needsEngine("room for dump and copies", async () => {
      const { database } = (await plan()).decision.situation;
      if (database === undefined) return "there is no database yet";
      await refuseSmallDisk(directory, database);
      return "enough for a dump, its copy and the one of before";
    }),
    find("last run", async () => {
      const [newest] = releasesNewestFirst(directory);
      if (newest?.outcome !== "begun") return "came to its end";
      throw new Problem("INTERRUPTED", `${newest.kind} of release ${newest.id} was cut off`, {
        next: `npm run deploy:${settings.environment}`,
      });
    }),
  ];
}

/** Several checks look at one plan: it is made once, and each tells of its failure. */
function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => (made ??= make());
}

/** @param look gives what was seen, or its own judgement */
function find(name: string, look: () => Promise<string | Judgement>): Promise<Finding> {
  const next = name === "engine" ? "npm run up:dev" : "npm run doctor -- --verbose";
  const judge = async () => {
    const seen = await look();
    return typeof seen === "string" ? passed(seen) : seen;
  };
  return diagnose(name, judge, next);
}
