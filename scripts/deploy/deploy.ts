import { join } from "node:path";
import type { Check } from "../checks/verify.ts";
import { Problem } from "../common/problem.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { writePasswordFile } from "../database/login.ts";
import { sameRevisions } from "../database/revisions.ts";
import { assertReady, type Ready } from "./assertReady.ts";
import type { PipelineOptions, Plan, Rollout } from "./rollout.ts";
import { describeEngine } from "../docker/endpoint.ts";
import type { Settings } from "../settings/readSettings.ts";
import { labels } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { newestGood, nextReleaseId, readReleaseFile } from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { writeFile } from "../state/writeFile.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./assertSamePlace.ts";
import { type Comparison, worseRelease } from "./bake.ts";
import type { DeployStrategy } from "./chooseStrategy.ts";
import { ensureDatabase } from "./currentState.ts";
import { decide, type Decision } from "./decide.ts";
import { assertSafe, describePlan } from "./describePlan.ts";
import { describeMissingSecrets } from "./releaseSecrets.ts";
import { newRun } from "./describeRelease.ts";
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
import { assertPassed, verifyRelease } from "./verifyRelease.ts";

/**
 * Deploys what the settings ask for: observe, plan, check, confirm; prepare while the previous release
 * serves (backup, rehearsal on a copy); apply, verify, record (runPlan.ts).
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
      { kind: "deploy", settings, target, decision, preparation: now },
      input,
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

/**
 * What deploy and rollback have in common, from the plan on: check that it can work, confirm, prepare,
 * apply, verify, record, prune.
 */
export async function runPipeline(
  plan: Plan,
  options: PipelineOptions,
  begun: Session,
): Promise<RolloutOutcome> {
  const { settings, target, decision } = plan;
  const { directory, context } = begun;
  const outcome = {
    from: decision.currentState.present?.id ?? null,
    tag: target.settings.get("LETTA_VERSION"),
    decision,
    changes: decision.changes,
    target,
  };
  if (isUnchanged(plan)) return { ...outcome, ...(await verifyUnchanged(plan, begun)) };
  const run = newRun(context);
  const ready = await assertReady(plan, options, run, begun);
  await confirmPlan(plan, ready, begun);
  const rollout = await beginRollout(plan, ready, run, begun);
  const done = await runPlan(rollout, begun);
  // The release is good whatever becomes of what is too old.
  await prune(settings, directory, context).catch((error: unknown) =>
    context.reporter.note(`pruning failed, the next command tries again: ${String(error)}`),
  );
  const { release, compared: bake = null, ...came } = done;
  if (bake?.verdict === "worse") throw worseRelease(bake, release);
  if (release.unverified !== undefined) throw unverifiedRelease(release, release.unverified);
  return { ...outcome, ...came, release: release.id, bake };
}

/** Whether the present release is what the plan leads to, and nothing differs from it. */
function isUnchanged({ target, decision }: Plan): boolean {
  const { present } = decision.currentState;
  return (
    present !== undefined &&
    !decision.separatesRoles &&
    isRecorded(target, present, decision) &&
    (decision.schema.action === "none" || isRetained(decision, present)) &&
    decision.changes.every((one) => one.action === "none")
  );
}

/** Where nothing is to be done, that is verified. */
async function verifyUnchanged({ target, decision, settings }: Plan, begun: Session) {
  const { directory, context } = begun;
  const checks = await verifyRelease(target.settings, target.prepared, directory, context, "quick");
  assertPassed(checks, settings.environment);
  return {
    release: decision.currentState.present!.id,
    databaseStrategy: "none",
    checks,
    strategy: "none",
    downtimeSeconds: null,
    expectedPauseSeconds: null,
    rehearsal: null,
    bake: null,
  } as const;
}

/**
 * Shows the plan and asks for it; a rollback that is verified to lose nothing asks no question.
 * @throws Problem DECLINED, CONFIRMATION_NEEDED
 */
async function confirmPlan(
  { kind, settings, target, decision }: Plan,
  { unverified }: Ready,
  { directory, context }: Session,
): Promise<void> {
  const { present } = decision.currentState;
  const lines = [
    describeEngine(context.engine),
    ...(await describePlan(target, decision, present, directory)),
    ...(kind === "deploy" && present ? lostSecrets(present, settings, directory) : []),
    ...(unverified === undefined ? [] : [`note: ${unverified}`]),
  ];
  if (kind === "rollback" && isSwift(decision))
    return lines.forEach((line) => context.reporter.note(line));
  const what = kind === "deploy" ? "Deploy this" : "Roll back to this";
  await context.reporter.confirm(`${what} in ${settings.environment}?`, lines);
}

/** A release that this deploy replaces can lack what the operator has taken out of the settings. */
function lostSecrets(present: Release, settings: Settings, directory: string): string[] {
  const texts = (["compose.yaml", "collector.yaml"] as const).map(
    (name) => readReleaseFile(directory, present.restores ?? present.id, name) ?? "",
  );
  return describeMissingSecrets(present, texts, settings);
}

/** The first effects of a confirmed plan, and what its preparation works with. */
async function beginRollout(
  plan: Plan,
  { endsSessions, newPassword, before }: Ready,
  run: string,
  begun: Session,
): Promise<Rollout> {
  const { kind, settings, target, decision, preparation } = plan;
  const { context } = begun;
  const { present, database, observed } = decision.currentState;
  const postgres = observed.find((one) => one.service === "postgres");
  if (postgres !== undefined && newPassword !== undefined)
    await writePasswordFile(context.engine, postgres.id, newPassword);
  if (database !== undefined && !isSwift(decision)) {
    const { installation } = runMarks(begun, { id: preparation.id, run })("live");
    await clearScratch(database, installation);
  }
  // The servers of a rehearsal; without one they are not looked up.
  const rehearsedServer = (release: Release | undefined) =>
    isSwift(decision) ? undefined : rehearsedServerOf(settings, release, preparation, context);
  return {
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
    fromDump: plan.fromDump ?? [],
    foreign: plan.foreign === true,
    before,
    fast: kind === "rollback",
  };
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

/** Whether its database strategy was verified before, so that nothing is left to rehearse. */
function isSwift({ schema, separatesRoles }: Decision): boolean {
  if (separatesRoles) return false;
  if (schema.action === "none") return true;
  return schema.strategies.some(
    (one) => one.databaseStrategy === schema.action && one.state === "verified",
  );
}

/** Whether the present release serves on the newer schema already. */
function isRetained({ schema }: Decision, present: Release): boolean {
  return schema.action === "keep" && sameRevisions(present.revision, schema.revision ?? []);
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
