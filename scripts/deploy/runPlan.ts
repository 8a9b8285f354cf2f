import { existsSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { durationMs } from "../common/units.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { checkpoint } from "../database/makeDatabase.ts";
import { type DatabaseServer, interruptible } from "../database/sql.ts";
import { takeOverRoles } from "../database/takeOverRoles.ts";
import { runHook } from "../docker/runHook.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import type { Context } from "../state/context.ts";
import { noteSeparatedRoles, tookWrites } from "../state/markers.ts";
import type { Release } from "../state/release.ts";
import { keepRelease } from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { type AppliedRelease, applyRelease, type ReleaseInput } from "./applyRelease.ts";
import { bakeGate } from "./bake.ts";
import { confirmLongPause } from "./confirmLongPause.ts";
import { describeRelease, settingsText } from "./describeRelease.ts";
import { assertPassword } from "./guards.ts";
import { runMarks } from "./nextRelease.ts";
import { prepareDeploy, type Readiness } from "./prepareDeploy.ts";
import { labelParts } from "./prepareStack.ts";
import { isCompatible, type Rehearsal } from "./rehearse.ts";
import { databaseBackPlan } from "./rollBackDatabase.ts";
import { rollbackAutomatically } from "./rollbackAutomatically.ts";
import type { Rollout } from "./rollout.ts";
import type { Session } from "./session.ts";

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
    await context.reporter.step("separate database roles", () => takeOverRoles(server));
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
        `could not drop database copies, the next deploy drops them: ${String(error)}`,
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
        `could not drop a copy of the database, the next deploy drops it: ${String(second)}`,
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
  await session.context.reporter.step("drop copies", () => dropCopies(rollout, session));
}

async function dropCopies(rollout: Rollout, session: Session): Promise<void> {
  const { database } = rollout.currentState;
  if (database === undefined) return;
  await clearScratch(database, runMarks(session, rollout)("rehearsal").installation);
}

type HookName = "pre-deploy" | "post-deploy" | "pre-rollback" | "post-rollback" | "pre-migrate";

/** Of its output: enough to see what it did. */
const shownLines = 12;

/**
 * Runs an operator's own executable in hooks/, if there is one. What comes before an act stops
 * it by failing; what comes after has nothing to stop: it is reported.
 * @throws Problem HOOK_FAILED
 */
async function callHook(
  name: HookName,
  { rollout, directory }: { readonly rollout: Rollout; readonly directory: string },
  context: Context,
): Promise<void> {
  const { settings, target, currentState, id, kind } = rollout;
  const call = () =>
    runHook(join("hooks", name), {
      cwd: settings.root,
      timeoutMs: durationMs(settings.get("HOOK_TIMEOUT")),
      signal: context.signal,
      environment: {
        ...context.processEnvironment,
        STACK_HOOK: name,
        STACK_KIND: kind,
        STACK_ENVIRONMENT: settings.environment,
        STACK_PROJECT: settings.project,
        STACK_RELEASE: id,
        STACK_FROM: currentState.present?.id ?? "",
        STACK_TAG: target.settings.get("LETTA_VERSION"),
        STACK_STATE: directory,
      },
    });
  if (!existsSync(join(settings.root, "hooks", name))) return;
  const hide = redaction(settings.sensitive());
  const last = (output: string) => hide(output).trim().split("\n").slice(-shownLines);
  try {
    await context.reporter.step(
      `hook ${name}`,
      async () => {
        const { outcome, exit, output } = await call();
        if (outcome === "passed" || outcome === "absent") return last(output).join(" | ");
        throw new Problem("HOOK_FAILED", `hooks/${name} ${outcome} (exit ${exit ?? "none"})`, {
          details: last(output),
          next: `hooks/${name}`,
        });
      },
      (output) => output,
    );
  } catch (error) {
    if (!name.startsWith("post-") || !(error instanceof Problem)) throw error;
    context.reporter.note([error.message, ...error.details].join("; "));
  }
}
