import { join } from "node:path";
import { Problem } from "../../common/problem.ts";
import {
  runCheck,
  passed,
  skipped,
  type Finding,
  type CheckResult,
} from "../../checks/runCheck.ts";
import { diagnoseLoopback, isLoopback } from "../../checks/diagnoseLoopback.ts";
import { lackText } from "../../database/assertDatabase.ts";
import { newestGood, releasesNewestFirst } from "../../state/releases.ts";
import { readKey } from "../../state/secretKey.ts";
import { stateDirectory } from "../../state/stateDirectory.ts";
import { assertVersions } from "../../deploy/ensureEngine.ts";
import type { Context } from "../../state/context.ts";
import {
  assertOwn,
  assertDiskSpace,
  assertStateless,
  assertPortsFree,
} from "../../deploy/preflight.ts";
import { prepareStack } from "../../deploy/prepareStack.ts";
import { observeChanges } from "../../deploy/observeChanges.ts";
import { planRollout } from "../../deploy/planRollout.ts";
import { assertSameKey, assertDiskFits, assertPassword } from "../../deploy/guards.ts";
import { assertSafe } from "../../deploy/assertSafe.ts";
import type { Settings } from "../../settings/readSettings.ts";
import { checkStack } from "../../stack/checkStack.ts";
import { runAdvisoryChecks } from "./runAdvisoryChecks.ts";
import { runCertificateCheck } from "./runCertificateCheck.ts";
import { runTelemetryChecks, type Machine } from "./runTelemetryChecks.ts";

export type { Finding };

/**
 * Every check that a rollout makes before it touches anything, those of its telemetry, and the
 * known faults of its versions: all of them even where the first one fails, side by side. Reads
 * only.
 * @param machine this machine, as Node calls it
 */
export async function runDoctor(
  settings: Settings,
  context: Context,
  machine: Machine,
): Promise<Finding[]> {
  const { project, environment } = settings;
  const engine = find("engine", async () => {
    await context.engine.ping();
    return context.engine.endpoint;
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
      await checkStack(stack);
      return stack.services.map((one) => one.name).join(", ");
    }),
    find("state directory", async () => stateDirectory(settings.stateDir, environment)),
    engine,
    needsEngine("versions", async () => {
      await assertVersions(context);
      const { engine: found, compose } = await context.engine.versions();
      return `engine ${found}, Compose ${compose}`;
    }),
    needsEngine("disk", async () => {
      const isSeen = await assertDiskSpace("run", context);
      if (!isSeen) return skipped("the engine's disk is not on this host");
      return `enough space below ${await context.engine.dataRoot()}`;
    }),
    needsEngine("loopback ports", async () => {
      const { services } = prepareStack(settings, { release: "000000" }).stack;
      const ports = services.flatMap(({ name, ports: all }) =>
        all
          .filter((one) => isLoopback(one.host))
          .map((one) => `${name} ${one.host}:${one.published}`),
      );
      const { engine: found } = await context.engine.versions();
      return diagnoseLoopback(found, ports, isDeployed);
    }),
    needsEngine("project name", async () => {
      assertOwn(project, await context.engine.containers(project));
      return `${project} is ours`;
    }),
    ...(isDeployed
      ? runReleaseChecks(settings, needsEngine, context)
      : runChangeCheck(settings, needsEngine, context)),
  ];
  const answers = engine.then((one) => one.outcome === "passed");
  const telemetry = runTelemetryChecks(settings, answers, context, machine);
  const certificate = runCertificateCheck(settings, answers, context);
  const advisories = runAdvisoryChecks(settings, answers, context);
  const after = await Promise.all([certificate, telemetry, advisories]);
  return [...(await Promise.all(before)), ...after.flat()];
}

type NeedsEngine = (name: string, look: () => Promise<string | CheckResult>) => Promise<Finding>;

/** What an `up` would meet. */
function runChangeCheck(settings: Settings, needsEngine: NeedsEngine, context: Context) {
  const observe = once(() => observeChanges(settings, context));
  return [
    needsEngine("images", async () => {
      const { images } = await observe();
      return images.map((one) => `${one.role}: ${one.source}`).join(", ");
    }),
    needsEngine("ports", async () => {
      const { prepared, changes } = await observe();
      await assertPortsFree(prepared.stack, changes, context);
      return "free, or held by this stack";
    }),
    needsEngine("data", async () => {
      const { prepared, changes } = await observe();
      assertStateless(prepared.stack, changes, []);
      return "no part that holds data would be recreated";
    }),
  ];
}

/** What a deploy would meet. */
function runReleaseChecks(settings: Settings, needsEngine: NeedsEngine, context: Context) {
  const directory = join(settings.stateDir, settings.environment);
  const plan = once(() => planRollout(settings, undefined, context));
  return [
    needsEngine("images", async () =>
      (await plan()).images.map((one) => `${one.role}: ${one.source}`).join(", "),
    ),
    needsEngine("ports", async () => {
      const { target, decision } = await plan();
      await assertPortsFree(target.prepared.stack, decision.changes, context);
      return "free, or held by this stack";
    }),
    needsEngine("data", async () => {
      const { target, decision } = await plan();
      assertStateless(target.prepared.stack, decision.changes, []);
      return "no part that holds data would be recreated";
    }),
    needsEngine("schema", async () => {
      const { decision } = await plan();
      assertSafe(decision, settings, "deploy");
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
      const { encryptionKey } = (await plan()).decision.currentState;
      const last = newestGood(directory);
      return assertSameKey(settings, last, readKey(directory), encryptionKey)
        ? "the one the last release ran with"
        : skipped("neither a release here nor the database tells which key it ran with");
    }),
    needsEngine("database password", async () => {
      const { observed } = (await plan()).decision.currentState;
      const postgres = observed.find(
        (one) => one.service === "postgres" && one.state === "running",
      );
      await assertPassword(settings, postgres?.id, context);
      return postgres === undefined ? "no bundled database runs" : "it opens the database";
    }),
    needsEngine("space for dump and copies", async () => {
      const { database } = (await plan()).decision.currentState;
      if (database === undefined) return "there is no database yet";
      await assertDiskFits(directory, database);
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
function find(name: string, look: () => Promise<string | CheckResult>): Promise<Finding> {
  const next = name === "engine" ? "npm run up:dev" : "npm run doctor -- --verbose";
  const judge = async () => {
    const seen = await look();
    return typeof seen === "string" ? passed(seen) : seen;
  };
  return runCheck(name, judge, next);
}
