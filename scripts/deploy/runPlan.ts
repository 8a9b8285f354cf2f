import { Problem } from "../common/problem.ts";
import { checkpoint } from "../database/copyDatabase.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { interruptible } from "../database/interruptible.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { takeOverRoles } from "../database/takeOverRoles.ts";
import type { Backup } from "../state/backups.ts";
import { tookWrites } from "../state/tookWrites.ts";
import type { Release } from "../state/release.ts";
import { keepRelease } from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { noteSeparatedRoles } from "../state/separatedRoles.ts";
import type { Change } from "./planChanges.ts";
import { labelParts } from "./prepareStack.ts";
import type { Target } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import { applyRelease, type AppliedRelease, type ReleaseInput } from "./applyRelease.ts";
import { confirmLongPause } from "./confirmLongPause.ts";
import { bakeGate } from "./bakeGate.ts";
import { callHook } from "./callHook.ts";
import { databaseBackPlan } from "./rollBackDatabase.ts";
import { describeRelease } from "./describeRelease.ts";
import { prepareDeploy, type Readiness } from "./prepareDeploy.ts";
import { assertPassword } from "./guards.ts";
import type { SchemaPlan } from "./planSchema.ts";
import { isCompatible, type Rehearsal } from "./rehearse.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { settingsText } from "./settingsText.ts";
import type { CurrentState } from "./currentState.ts";
import type { RehearsedServer } from "./rehearsalEnvironment.ts";
import { rollbackAutomatically } from "./rollbackAutomatically.ts";

/** Everything that was decided, before anything is done. */
export interface Rollout {
  readonly kind: Release["kind"];
  readonly id: string;
  /** The run's nonce, see newRun. */
  readonly run: string;
  /** The settings of now, for everything that is not the target's own. */
  readonly settings: Settings;
  readonly target: Target;
  readonly currentState: CurrentState;
  readonly schema: SchemaPlan;
  /** Whether sessions of others may be ended. */
  readonly endsSessions?: boolean;
  /** Whether databases can be made, copied and renamed. */
  readonly mayCopy: boolean;
  /** Whether a dump can be restored into a new database. */
  readonly mayRestore: boolean;
  /** Whether the application's database role stops being a superuser. */
  readonly separatesRoles: boolean;
  /** What would be done to each service, as far as it is known before. */
  readonly changes: readonly Change[];
  /** The version that wrote last, for the role's repairs. */
  readonly previousTag: string | undefined;
  /** What serves now, for a rehearsed rollback and the rollback itself. */
  readonly previous: (RehearsedServer & { readonly imageId: string }) | undefined;
  /** Whose image knows the database's revision, for a downgrade. */
  readonly revisionOwner: RehearsedServer | undefined;
  /** The backup of a `restore` or a `copy`; the newest fitting one where it is left out. */
  readonly backup?: Backup;
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
  /** Tables whose rows come from the backup in a `copy`. */
  readonly fromDump: readonly string[];
  /** How the server fails already. */
  readonly before?: Release["before"];
  /** Skips waiting for spans and bake time. */
  readonly fast: boolean;
}

interface CarriedOut extends AppliedRelease {
  readonly databaseStrategy: Release["databaseStrategy"];
  readonly rehearsal: Rehearsal | null;
  /** How long requests were expected to wait, as the rehearsal measured it; null where it did not. */
  readonly expectedPauseSeconds: number | null;
}

/**
 * Runs a plan: rehearses on a copy what was not verified before, while what runs
 * goes on serving; then applies it, verifies it, and rolls back automatically where that fails.
 * @throws Problem REHEARSAL_FAILED and ROLLBACK_UNSAFE with nothing touched; ROLLED_BACK where
 *   the previous release serves again; STEP_FAILED and INTERRUPTED where a person must act
 */
export async function runPlan(rollout: Rollout, session: Session): Promise<CarriedOut> {
  const { directory, context } = session;
  const hookFacts = { rollout, directory };
  const marks = runMarks(session, rollout);
  const { present, observed } = rollout.currentState;
  const serving = observed.find(
    (one) => one.service === rollout.target.prepared.stack.server.service,
  );
  const gate = rollout.fast
    ? undefined
    : await bakeGate(rollout.target.settings, present, serving, session.begunMs, context);
  const ready = await orForget(rollout, session, async () => {
    const made = await prepareDeploy(rollout, session);
    const pause = await confirmLongPause(rollout.target, made.rehearsal, context);
    const before = rollout.kind === "deploy" ? "pre-deploy" : "pre-rollback";
    await callHook(before, hookFacts, context);
    // Here, so that the one that a copy forces while requests wait is short.
    if (made.databaseStrategy === "migrate" && made.rehearsal !== null)
      await checkpoint(interruptible(rollout.currentState.database!, context.signal));
    return { ...made, ...pause };
  });
  const { target, rehearsal } = prepared(rollout, ready, session);
  const { schema } = rollout;
  const manifest = describeRelease(
    {
      kind: rollout.kind,
      id: rollout.id,
      run: rollout.run,
      present: rollout.currentState.present,
      // A restored database may be ahead of the image, which stays.
      heads: (rollout.kind === "restore" && present?.heads) || schema.heads,
      revision: ready.databaseStrategy === "keep" ? (schema.revision ?? []) : schema.heads,
      databaseStrategy: ready.databaseStrategy,
      backup: ready.backup,
      verifications: ready.verifications,
      rehearsal: ready.rehearsal,
      before: rollout.before ?? [],
      titles: Object.fromEntries(schema.migrations.map((one) => [one.id, one.title])),
    },
    target,
    session,
  );
  const file = keepRelease(directory, manifest, {
    "compose.yaml": target.prepared.stack.text,
    "collector.yaml": target.prepared.collector,
    "settings.env": settingsText(target.settings),
  });
  const offlineTask =
    ready.offlineTask &&
    (async (server: DatabaseServer, reported: typeof context, oldServerStays: boolean) => {
      if (ready.databaseStrategy === "migrate") await callHook("pre-migrate", hookFacts, reported);
      await ready.offlineTask!(server, reported, oldServerStays);
    });
  try {
    if (rollout.separatesRoles) await separateRoles(rollout, session);
    const { fast, endsSessions = false } = rollout;
    const sideBySide = isCompatible(rehearsal);
    const { pauseSeconds, expectedPauseSeconds } = ready;
    const paused = { pauseSeconds, ...(rehearsal && { migrateSeconds: rehearsal.migrateSeconds }) };
    const serving = {
      manifest,
      target,
      directory,
      file,
      fast,
      endsSessions,
      gate,
      sideBySide,
      offlineTask,
    };
    const releaseInput = { ...serving, ...paused };
    const done = await applyRelease(releaseInput, context).catch((error: unknown) =>
      migrateOn(releaseInput, rollout, error, session),
    );
    return await ended(
      { ...done, rehearsal, expectedPauseSeconds, databaseStrategy: ready.databaseStrategy },
      rollout,
      session,
    );
  } catch (error) {
    const { settings, currentState: before } = rollout;
    const interrupted = { before, settings, stack: target.prepared.stack, marks };
    throw await rollbackAutomatically({ failed: manifest, settings, error, interrupted }, session);
  }
}

/**
 * A migration that stopped half-way on a database that has taken writes since its snapshot: it
 * runs once more, as only its end brings those writes to where a server was rehearsed.
 * @throws the error where that is not so; Problem of the second try
 */
async function migrateOn(
  releaseInput: ReleaseInput,
  { currentState, previous }: Rollout,
  error: unknown,
  session: Session,
): Promise<AppliedRelease> {
  const { directory, context } = session;
  const { manifest, target } = releaseInput;
  const { present, database } = currentState;
  const isTried = error instanceof Problem && error.code === "STEP_FAILED";
  const mayHelp = isTried && !context.signal.aborted && tookWrites(directory, manifest.id);
  if (manifest.databaseStrategy !== "migrate" || !mayHelp || !present || !database || !previous)
    throw error;
  const role = target.prepared.stack.server;
  const input = { failed: manifest, present, heads: present.heads, image: previous.imageId, role };
  const plan = await databaseBackPlan(database, input, session).catch(() => undefined);
  if (plan?.action !== "forward" || plan.isComplete) throw error;
  context.reporter.note(
    `${error.message}: the database has taken writes, so its migration runs once more`,
  );
  return applyRelease({ ...releaseInput, offlineTask: () => Promise.resolve() }, context);
}

/**
 * Takes from the application's database role what it does not need, while the previous release serves.
 * @throws Problem DATABASE_REFUSED where its password does not open the database any more
 */
async function separateRoles(
  { id, settings, currentState }: Rollout,
  { directory, context }: Session,
): Promise<void> {
  const server = currentState.database!;
  noteSeparatedRoles(directory, id);
  try {
    await context.reporter.step("separate the database roles", () => takeOverRoles(server));
  } catch (error) {
    // Nothing has changed, and nothing else depends on it.
    if (!(error instanceof Problem)) throw error;
    context.reporter.note(
      [`${error.message}; the next deploy tries again`, ...error.details].join("\n  "),
    );
    return;
  }
  const container = currentState.observed.find((one) => one.service === "postgres")?.id;
  await assertPassword(settings, container, context);
}

/** What comes after a release was recorded as good: nothing of it makes it less so. */
async function ended<Done extends { readonly databaseStrategy: Release["databaseStrategy"] }>(
  done: Done,
  rollout: Rollout,
  session: Session,
): Promise<Done> {
  const { directory, context } = session;
  // After a run that was interrupted there may be more than this one has made.
  if (
    session.afterInterruption ||
    (done.databaseStrategy !== "none" && done.databaseStrategy !== "keep")
  ) {
    await forgetScratch(rollout, session).catch((error: unknown) =>
      context.reporter.note(
        `copies are left, the next rollout that makes some clears them away: ${String(error)}`,
      ),
    );
  }
  const after = rollout.kind === "deploy" ? "post-deploy" : "post-rollback";
  await callHook(after, { rollout, directory }, context);
  return done;
}

/** Where nothing was touched no copy is left either. */
async function orForget<Result>(
  rollout: Rollout,
  session: Session,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    // The first failure is the one to report; on a disk that is full nothing can be dropped either.
    await dropCopies(rollout, session).catch((second: unknown) =>
      session.context.reporter.note(
        `a copy of the database is left for the next rollout: ${String(second)}`,
      ),
    );
    throw error;
  }
}

/** A server on a schema newer than its own must not try to migrate it. */
function prepared({ target, id, currentState }: Rollout, ready: Readiness, session: Session) {
  if (ready.databaseStrategy !== "keep") return { target, rehearsal: ready.rehearsal };
  const key = secretKey(session.directory, session.context.randomBytes);
  const present = { release: id, observed: currentState.observed, secretKey: key };
  const stack = withoutMigration(target.prepared.stack, labelParts(target.settings, present));
  return {
    target: { ...target, prepared: { ...target.prepared, stack } },
    rehearsal: ready.rehearsal,
  };
}

/** The snapshots are the tool's own: a verified release needs them no more. */
async function forgetScratch(rollout: Rollout, session: Session): Promise<void> {
  if (rollout.currentState.database === undefined) return;
  await session.context.reporter.step("clear the copies away", () => dropCopies(rollout, session));
}

async function dropCopies(rollout: Rollout, session: Session): Promise<void> {
  const { database } = rollout.currentState;
  if (database === undefined) return;
  await clearScratch(database, runMarks(session, rollout)("rehearsal").installation);
}
