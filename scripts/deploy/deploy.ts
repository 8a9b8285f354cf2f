import { join } from "node:path";
import type { Check } from "../checks/verify.ts";
import { Problem } from "../common/problem.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { writePasswordFile } from "../database/login.ts";
import { sameRevisions } from "../database/revisions.ts";
import { describeEngine } from "../docker/endpoint.ts";
import type { Settings } from "../settings/readSettings.ts";
import { labels } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { newestGood, nextReleaseId, readReleaseFile } from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { writeFile } from "../state/writeFile.ts";
import { askEndSessions, needsDatabaseAlone } from "./askEndSessions.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./assertSamePlace.ts";
import { type Comparison, worseRelease } from "./bake.ts";
import { checkRollout } from "./checkRollout.ts";
import { askFailingServer } from "./checkServer.ts";
import type { DeployStrategy } from "./chooseStrategy.ts";
import { ensureDatabase } from "./currentState.ts";
import { decide, type Decision } from "./decide.ts";
import { assertGated, assertSafe, describePlan } from "./describePlan.ts";
import { newRun } from "./describeRelease.ts";
import {
  assertDiskFits,
  assertNamesFree,
  assertPassword,
  assertSameKey,
  assertSameMajor,
  assertStagingVerified,
  hasNewPassword,
  namesNeeded,
  refuseUnusable,
  usesBackup,
} from "./guards.ts";
import { runMarks } from "./nextRelease.ts";
import type { Change } from "./planChanges.ts";
import { assertDiskSpace } from "./preflight.ts";
import { prune } from "./prune.ts";
import { migrationEnded, recover } from "./recover.ts";
import type { RehearsedServer } from "./rehearsalEnvironment.ts";
import type { Rehearsal } from "./rehearse.ts";
import { settledContainers } from "./replaceServer.ts";
import { runPlan } from "./runPlan.ts";
import { type Retaining, session, type Session } from "./session.ts";
import { newTarget, pastTarget, type Preparation, type Target } from "./target.ts";
import { newestBackupAt } from "./tryStrategies.ts";
import { assertPassed, verifyRelease } from "./verifyRelease.ts";

/**
 * Deploys what the settings ask for: looks, decides, shows, confirms; rehearses a migration on
 * a copy while the previous release serves; applies it, verifies it, watches it, records it.
 * @throws Problem of every kind that its steps throw; ROLLED_BACK where it failed and the previous
 *   release serves again
 */
export function deploy(
  settings: Settings,
  input: PipelineOptions,
  context: Context,
): Promise<RolloutOutcome & Retaining> {
  return session(settings, { ...input, command: "deploy" }, context, async (begun) => {
    refuseOtherPlace(settings, begun.directory);
    await recover(settings, begun);
    const { directory } = begun;
    await assertDiskSpace("run", begun.context);
    const preparation = await preparationOf(settings, begun);
    const target = await newTarget(settings, preparation, true, begun.context);
    await ensureCurrent(settings, target, directory, begun.context);
    const observed = await settledContainers(settings, target.prepared.stack, begun.context);
    const now = { ...preparation, observed };
    const decision = await decide(settings, target, now, { kind: "deploy" }, begun.context);
    const { present, isMarked = false } = decision.currentState;
    refuseOtherDatabase(settings, present, now.secretKey, isMarked);
    assertSafe(decision, settings, "deploy");
    return runPipeline(
      { kind: "deploy", settings, target, decision, preparation: now, input },
      begun,
    );
  });
}

/** What a rollout is made under now. */
export async function preparationOf(
  settings: Settings,
  { directory, context }: Session,
): Promise<Preparation> {
  return {
    id: nextReleaseId(directory),
    directory,
    observed: await context.engine.containers(settings.project),
    secretKey: secretKey(directory, context.randomBytes),
    keeps: true,
  };
}

/**
 * Has the database that is there run, by the release that serves or by the one to come, and
 * never migrate it: data may be there without a release, after a first deploy that was interrupted
 * or a lost state directory.
 */
export async function ensureCurrent(
  settings: Settings,
  target: Target,
  directory: string,
  context: Context,
): Promise<void> {
  const present = newestGood(directory);
  const file =
    present === undefined
      ? join(directory, "database.yaml")
      : join(directory, "releases", present.restores ?? present.id, "compose.yaml");
  if (present === undefined) writeFile(file, target.prepared.stack.text);
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await ensureDatabase(settings, target.prepared.stack, file, postgres, context);
  await migrationEnded(settings, target.prepared.stack, context);
}

export interface PipelineOptions {
  readonly reason: string | null;
  /** Whether to wait for another run to end. */
  readonly wait: boolean;
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether sessions of others may be ended without a question. */
  readonly endSessions?: boolean;
  readonly adoptState?: boolean;
  /** Whether a server that fails already is no reason to ask. */
  readonly despiteFailures?: boolean;
}

/** What a deploy or a rollback came to. */
export interface RolloutOutcome {
  readonly release: string;
  readonly from: string | null;
  readonly tag: string;
  readonly databaseStrategy: Release["databaseStrategy"];
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly decision: Decision;
  readonly strategy: DeployStrategy;
  /** How long no server answered; null where it was not touched. */
  readonly downtimeSeconds: number | null;
  /** What was informed of that before, as the rehearsal measured it; null where nothing was. */
  readonly expectedPauseSeconds: number | null;
  readonly rehearsal: Rehearsal | null;
  /** How it did compared with the release before; null without a comparison. */
  readonly bake: Comparison | null;
  readonly target: Target;
}

interface PipelineInput {
  readonly kind: "deploy" | "rollback";
  /** Those of now. */
  readonly settings: Settings;
  readonly target: Target;
  readonly decision: Decision;
  readonly preparation: Preparation;
  readonly input: PipelineOptions;
  readonly fromDump?: readonly string[];
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
}

/** The pipeline of deploy and rollback from the decision on. */
export async function runPipeline(parts: PipelineInput, begun: Session): Promise<RolloutOutcome> {
  const { kind, settings, target, decision, preparation, input } = parts;
  const { directory, context } = begun;
  const { present, database } = decision.currentState;
  const outcome = {
    from: present?.id ?? null,
    tag: target.settings.get("LETTA_VERSION"),
    decision,
    changes: decision.changes,
    target,
  };
  const isSame =
    present !== undefined &&
    !decision.separatesRoles &&
    isRecorded(target, present, decision) &&
    (decision.schema.action === "none" || isRetained(decision, present)) &&
    decision.changes.every((one) => one.action === "none");
  if (isSame) {
    const checks = await verifyRelease(
      target.settings,
      target.prepared,
      directory,
      context,
      "quick",
    );
    assertPassed(checks, settings.environment);
    return {
      ...outcome,
      release: present.id,
      databaseStrategy: "none",
      checks,
      strategy: "none",
      downtimeSeconds: null,
      expectedPauseSeconds: null,
      rehearsal: null,
      bake: null,
    };
  }
  if (database === undefined) await assertNotStopped(settings, context);
  if (kind === "deploy") assertGated(target, present);
  const run = newRun(context);
  const marks = runMarks(begun, { id: preparation.id, run });
  const key = preparation.secretKey!;
  assertSameKey(settings, present, key, decision.currentState.encryptionKey);
  const postgres = decision.currentState.observed.find((one) => one.service === "postgres");
  const changesPostgres = decision.changes.some(
    (one) => one.service === "postgres" && one.action === "recreate",
  );
  const password = database && assertPassword(settings, postgres?.id, context);
  password?.catch(() => undefined); // reported below, after earlier messages
  await assertSameMajor(target, database, changesPostgres, context);
  await checkRollout(
    {
      settings: target.settings,
      prepared: target.prepared,
      changes: decision.changes,
      images: target.images,
      recreate: input.recreate,
      judged: isJudged(target, present, directory),
      past: target.restores !== null,
    },
    context,
  );
  let endsSessions = input.endSessions === true;
  if (database !== undefined) {
    await password;
    if (decision.schema.action !== "none" || decision.separatesRoles) {
      const { attempts, heads } = decision.schema;
      const backup = attempts.some(usesBackup) ? newestBackupAt(directory, heads) : undefined;
      // Where another strategy may pass, one whose backup is refused is passed over (tryStrategies).
      if (backup !== undefined && attempts.every(usesBackup))
        refuseUnusable(directory, backup, { fromDump: [], ...parts, attempts });
      if (decision.mayCopy) await assertNamesFree(database, namesNeeded(marks));
      const isRestored = attempts.includes("restore");
      await assertDiskFits(directory, database, isRestored ? backup : undefined);
    }
    if (needsDatabaseAlone(decision))
      endsSessions = await askEndSessions(database, target.prepared.stack, endsSessions, context);
  }
  const { observed } = decision.currentState;
  const { stack } = target.prepared;
  const mayGoOn = kind === "rollback" || input.despiteFailures === true;
  const isRotated = database !== undefined && hasNewPassword(settings, present, key);
  if (isRotated)
    context.reporter.note("before: the server does not have the new database password yet");
  const before =
    database && !isRotated
      ? await askFailingServer({ settings, stack, observed, database, present }, mayGoOn, context)
      : undefined;
  const images = target.prepared.stack.services.map((one) =>
    target.images.idByReference.get(one.image)!,
  );
  const unverified = kind === "deploy" ? assertStagingVerified(settings, images) : undefined;
  const lines = [
    describeEngine(context.engine),
    ...(await describePlan(target, decision, present, directory)),
  ];
  const what = kind === "deploy" ? "Deploy this" : "Roll back to this";
  const shown = unverified === undefined ? lines : [...lines, `note: ${unverified}`];
  const isSwift = isVerified(decision) && !decision.separatesRoles;
  // A fast rollback asks no question where it is verified to lose nothing.
  if (kind === "rollback" && isSwift) shown.forEach((line) => context.reporter.note(line));
  else await context.reporter.confirm(`${what} in ${settings.environment}?`, shown);
  const newPassword = isRotated ? settings.secrets.get("LETTA_PG_PASSWORD") : undefined;
  if (postgres !== undefined && newPassword !== undefined)
    await writePasswordFile(context.engine, postgres.id, newPassword);
  if (database !== undefined && !isSwift) {
    await clearScratch(database, marks("live").installation);
  }
  // The servers of a rehearsal; without one they are not looked up.
  const rehearsedServer = (release: Release | undefined) =>
    isSwift ? undefined : rehearsedServerOf(settings, release, preparation, context);
  const done = await runPlan(
    {
      kind,
      id: preparation.id,
      run,
      settings,
      target,
      currentState: decision.currentState,
      schema: decision.schema,
      separatesRoles: decision.separatesRoles,
      mayCopy: decision.mayCopy,
      mayRestore: decision.mayRestore,
      endsSessions,
      changes: decision.changes,
      previousTag: (decision.revisionOwner ?? present)?.tag,
      previous: await rehearsedServer(present),
      revisionOwner: await rehearsedServer(decision.revisionOwner),
      fromDump: parts.fromDump ?? [],
      foreign: parts.foreign === true,
      before,
      fast: kind === "rollback",
    },
    begun,
  );
  // The release is good whatever becomes of what is too old.
  await prune(settings, directory, context).catch((error: unknown) =>
    context.reporter.note(`what is too old is left for the next command: ${String(error)}`),
  );
  const { release, compared: bake = null, ...came } = done;
  if (bake?.verdict === "worse") throw worseRelease(bake, release);
  if (release.unverified !== undefined) throw unverifiedRelease(release, release.unverified);
  return { ...outcome, ...came, release: release.id, bake };
}

/** Whether the present release is what would run: else it runs, and no release says so. */
function isRecorded({ prepared, images }: Target, present: Release, { schema }: Decision): boolean {
  const { stack } = prepared;
  const { services } = present;
  if (schema.action === "none") {
    return stack.services.every((one) => services[one.name]?.digest === one.labels[labels.digest]);
  }
  // On a newer schema it runs without its migration step, under other digests.
  const image = images.idByReference.get(images.bySetting.get("LETTA_IMAGE") ?? "");
  return services[stack.server.service]?.imageId === image;
}

function isVerified({ schema }: Decision): boolean {
  if (schema.action === "none") return true;
  return schema.strategies.some(
    (one) => one.databaseStrategy === schema.action && one.state === "verified",
  );
}

/** Whether the present release serves on the newer schema already. */
function isRetained({ schema }: Decision, present: Release): boolean {
  return schema.action === "keep" && sameRevisions(present.revision, schema.revision ?? []);
}

/** Whether this collector's image has judged this very configuration in the present release. */
function isJudged(target: Target, present: Release | undefined, directory: string): boolean {
  if (present === undefined) return false;
  const reference = target.images.bySetting.get("COLLECTOR_IMAGE") ?? "";
  return (
    present.services["collector"]?.imageId === target.images.idByReference.get(reference) &&
    readReleaseFile(directory, present.id, "collector.yaml") === target.prepared.collector
  );
}

/**
 * A release that serves, and whose checks fail as the server failed before the run: its end. It stays,
 * as a rollback would end the same way and what failed before does not count against it. But exit 0
 * means that what runs was verified, and it was not: so the run ends with 5, whether
 * --despite-failures was given or not. That flag answers whether to begin, not how it went.
 * @param failing the checks, "name: detail"
 */
function unverifiedRelease(
  { id, tag, environment }: Pick<Release, "id" | "tag" | "environment">,
  failing: readonly string[],
): Problem {
  return new Problem(
    "UNCHANGED_FAILURES",
    `release ${id} (${tag}) runs, unchanged failures: ${failing.length} checks fail as the server failed before`,
    {
      details: [...failing, "nothing was rolled back, as the server before failed in the same way"],
      next: `npm run verify -- ${environment ?? ""}`,
    },
  );
}

/** A past release's server as it was; undefined where it cannot be had any more. */
async function rehearsedServerOf(
  settings: Settings,
  release: Release | undefined,
  preparation: Preparation,
  context: Context,
): Promise<(RehearsedServer & { readonly imageId: string }) | undefined> {
  if (release === undefined) return undefined;
  try {
    const past = await pastTarget(settings, release, preparation, context);
    const reference = past.images.bySetting.get("LETTA_IMAGE")!;
    return {
      stack: past.prepared.stack,
      settings: past.settings,
      imageId: past.images.idByReference.get(reference)!,
    };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/**
 * A database that has stopped just when it was looked at is not one that is still to be made:
 * nothing of it would be backed up.
 * @throws Problem DATABASE_REFUSED
 */
async function assertNotStopped(
  { project, environment }: Settings,
  context: Context,
): Promise<void> {
  const name = `${project}_database`;
  if (!(await context.engine.volumes(project)).includes(name)) return;
  throw new Problem(
    "DATABASE_REFUSED",
    "the database ran a moment ago and does not now, nothing was touched",
    {
      details: [`expected Postgres to run on ${name}; its container says why it ended`],
      next: `npm run logs -- ${environment} postgres`,
    },
  );
}
