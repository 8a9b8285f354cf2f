import { once } from "node:events";
import { join } from "node:path";
import { connect } from "node:tls";
import { type CheckResult, type Finding, passed, runCheck, skipped } from "../../checks/check.ts";
import {
  checkAdvisories,
  diagnoseLoopback,
  isLoopback,
  segmentReachesLoopback,
} from "../../checks/checkAdvisories.ts";
import { checkModels } from "../../checks/checkModels.ts";
import { checkRedis, redisOf } from "../../checks/checkRedis.ts";
import { type CertificateSeen, checkCertificate } from "../../checks/checkTelemetrySettings.ts";
import { Problem } from "../../common/problem.ts";
import { lackText } from "../../database/assertDatabase.ts";
import { systemUser } from "../../database/sql.ts";
import { assertSafe } from "../../deploy/describePlan.ts";
import { assertDiskFits, assertPassword, assertSameKey } from "../../deploy/guards.ts";
import { observeChanges } from "../../deploy/observeChanges.ts";
import { imageQuestion } from "../../deploy/obtainImages.ts";
import { planRollout } from "../../deploy/planRollout.ts";
import {
  assertDiskSpace,
  assertOwn,
  assertPortsFree,
  assertStateless,
  assertVersions,
} from "../../deploy/preflight.ts";
import { bringUpCommand } from "../../settings/environmentName.ts";
import { type PreparedStack, prepareStack } from "../../deploy/prepareStack.ts";
import { chooseImage, recipes } from "../../docker/recipes.ts";
import type { Settings } from "../../settings/readSettings.ts";
import { hasProxy } from "../../settings/rules.ts";
import { checkStack } from "../../stack/checkStack.ts";
import { listComponents } from "../../stack/fragments.ts";
import type { Context } from "../../state/context.ts";
import { newestGood, releasesNewestFirst } from "../../state/releases.ts";
import { readKey } from "../../state/secretKey.ts";
import { stateDirectory } from "../../state/stateDirectory.ts";
import { runTelemetryChecks } from "./runTelemetryChecks.ts";
import type { Machine } from "./telemetryScene.ts";

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
  const calls = runServerCalls(settings, answers, context);
  const after = await Promise.all([certificate, telemetry, advisories, calls]);
  return [...(await Promise.all(before)), ...after.flat()];
}

/** What the server itself has to reach: Redis, and the model providers whose URLs are set. */
async function runServerCalls(
  settings: Settings,
  engineAnswers: Promise<boolean>,
  context: Context,
): Promise<Finding[]> {
  const { environment, project } = settings;
  const prepared = preparedBy(settings);
  if (prepared === undefined || !(await engineAnswers)) return [];
  const { stack } = prepared;
  const containers = await context.engine.containers(project);
  const servers = containers.filter(
    (one) => one.service === stack.server.service && one.state === "running",
  );
  const isBundled = stack.services.some((one) => one.name === "redis");
  const redis = await find("redis", async () => {
    if (servers.length === 0) return skipped("no server runs to ask from");
    if (isBundled && !containers.some((one) => one.service === "redis"))
      return skipped("it comes with the next release", bringUpCommand(environment));
    const seen = await checkRedis(redisOf(stack), servers, context);
    return typeof seen === "string" ? seen : skipped(seen.skipped);
  });
  const models = await checkModels(environment, settings.get, servers[0]?.id, context.engine);
  const next = redis.outcome === "failed" ? `npm run logs -- ${environment} redis` : redis.next;
  return [{ ...redis, next }, ...models];
}

type NeedsEngine = (name: string, look: () => Promise<string | CheckResult>) => Promise<Finding>;

/** What an `up` would meet. */
function runChangeCheck(settings: Settings, needsEngine: NeedsEngine, context: Context) {
  const observe = memoized(() => observeChanges(settings, context));
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
  const plan = memoized(() => planRollout(settings, undefined, context));
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
function memoized<Result>(make: () => Promise<Result>): () => Promise<Result> {
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

/**
 * The known faults of the versions in use, each with what keeps it harmless in the stack of now.
 * @param engineAnswers whether there is an engine to ask
 */
async function runAdvisoryChecks(
  settings: Settings,
  engineAnswers: Promise<boolean>,
  context: Context,
): Promise<Finding[]> {
  const prepared = preparedBy(settings);
  if (prepared === undefined) {
    return [{ name: "advisories", ...skipped("no stack can be made of these settings") }];
  }
  const { services } = prepared.stack;
  const exposure = {
    publishedAt: (service: string) =>
      (services.find((one) => one.name === service)?.ports ?? []).map((one) => one.host),
    segmentReaches: (await engineAnswers)
      ? segmentReachesLoopback((await context.engine.versions()).engine)
      : true,
    asksForPassword: settings.get("SECURE") === "true",
    isQuarantined: await isQuarantined(settings, await engineAnswers, context),
    components: listComponents(prepared.collector),
  };
  const explain = (name: string) => `npm run settings -- ${settings.environment} --explain ${name}`;
  const judge = (of: "collector" | "server" | "pgvector", version: string, setting: string) =>
    checkAdvisories(of, version, exposure, explain(setting));
  const isBundled = services.some((one) => one.name === "postgres");
  return [
    ...judge("collector", settings.get("OTEL_VERSION"), "OTEL_VERSION"),
    ...judge("server", settings.get("LETTA_VERSION"), "SECURE"),
    ...(isBundled
      ? judge("pgvector", await pgvector(settings, await engineAnswers, context), "POSTGRES_IMAGE")
      : []),
  ];
}

function preparedBy(settings: Settings): PreparedStack | undefined {
  try {
    return prepareStack(settings, { release: "000000" });
  } catch {
    return undefined; // the check of the stack tells why
  }
}

/**
 * Whether the collector that runs is the image that docker/collector makes now; where none runs,
 * whether the one to come would be.
 */
async function isQuarantined(
  settings: Settings,
  answers: boolean,
  context: Context,
): Promise<boolean> {
  if (!answers) return settings.get("IMAGE_SOURCE") === "local";
  const all = recipes(settings.environment, settings.lookup);
  const collector = all.find((one) => one.role === "collector")!;
  const question = await imageQuestion(settings, collector, context);
  const containers = await context.engine.containers(settings.project);
  const runs = containers.find((one) => one.service === "collector" && one.state === "running");
  if (runs === undefined) return chooseImage(question).reference === question.local;
  return runs.imageId === (await context.engine.image(question.local))?.id;
}

/**
 * The version that the running database has; otherwise what the tag of its image says, where that
 * image is pulled and not perhaps built here. "" where neither tells.
 */
async function pgvector(
  settings: Settings,
  answers: boolean,
  { engine }: Context,
): Promise<string> {
  const containers = answers ? await engine.containers(settings.project) : [];
  const runs = containers.find((one) => one.service === "postgres" && one.state === "running");
  if (runs !== undefined) {
    const statement = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'";
    const [user, name] = [settings.get("LETTA_PG_USER"), settings.get("LETTA_PG_DB")];
    const input = ["psql", "-X", "-q", "-A", "-t", "-U", user, "-d", name, "-c", statement];
    return (await engine.exec(runs.id, input, { user: systemUser })).stdout.trim();
  }
  if (settings.get("IMAGE_SOURCE") !== "pull") return "";
  return /pgvector:(\d+\.\d+\.\d+)\b/.exec(settings.get("POSTGRES_IMAGE"))?.[1] ?? "";
}

const patienceMs = 5000;

/**
 * The certificate that the proxy shows to clients now; nothing where there is no proxy.
 * @param answers whether there is an engine to ask
 */
async function runCertificateCheck(
  settings: Settings,
  answers: Promise<boolean>,
  context: Context,
): Promise<Finding[]> {
  const { environment, project } = settings;
  if (!hasProxy(environment, settings.get("PROXY"))) return [];
  const next = settings.has("PROXY_CERT_FILE")
    ? `npm run settings -- ${environment} --explain PROXY_CERT_FILE`
    : `npm run logs -- ${environment} proxy`;
  const look = async () => {
    const containers = (await answers) ? await context.engine.containers(project) : [];
    const isThere = containers.some((one) => one.service === "proxy" && one.state === "running");
    if (!isThere) return skipped("the proxy does not run");
    return checkCertificate(await shown(settings), context.now(), next);
  };
  return [await runCheck("certificate", look, next)];
}

/** As it is shown at the published port. */
async function shown(settings: Settings): Promise<CertificateSeen> {
  const published = settings.get("PROXY_PUBLISH_HOST");
  const everywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const host = everywhere[published] ?? published;
  const servername = settings.get("PROXY_DOMAIN");
  const socket = connect({
    host,
    port: Number(settings.get("PROXY_HTTPS_PORT")),
    ...(servername === "" ? {} : { servername }),
    // It is looked at, not relied on.
    rejectUnauthorized: false,
  });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(patienceMs) });
    const { subject, subjectaltname, issuer, valid_from, valid_to } = socket.getPeerCertificate();
    return {
      names: subjectaltname ?? one(subject.CN),
      issuer: one(issuer.CN ?? issuer.O),
      fromMs: Date.parse(valid_from),
      untilMs: Date.parse(valid_to),
    };
  } finally {
    socket.destroy();
  }
}

const one = (name: string | string[] | undefined) => [name ?? "no name"].flat().join(", ");
