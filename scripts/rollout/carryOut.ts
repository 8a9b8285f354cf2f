import { Problem } from "../common/problem.ts";
import { checkpoint } from "../database/copyDatabase.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { interruptible } from "../database/interruptible.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { takeOverRoles } from "../database/takeOverRoles.ts";
import type { Backup } from "../ledger/backups.ts";
import { wasLetIn } from "../ledger/letIn.ts";
import type { Release } from "../ledger/release.ts";
import { keepRelease } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { noteSeparatedRoles } from "../ledger/separatedRoles.ts";
import type { Change } from "../parts/planChanges.ts";
import { labelParts } from "../preparation/prepareStack.ts";
import type { Target } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import { activate, type Activated, type Activation } from "./activate.ts";
import { askLongHold } from "./askLongHold.ts";
import { bakeGate } from "./bakeGate.ts";
import { callHook } from "./callHook.ts";
import { databaseBackPlan } from "./databaseBack.ts";
import { describeRelease } from "./describeRelease.ts";
import { makeReady, type Readiness } from "./makeReady.ts";
import { refuseWrongPassword } from "./refuseGuarded.ts";
import type { SchemaPlan } from "./planSchema.ts";
import { isProvenBeside, type Rehearsal } from "./rehearse.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { settingsText } from "./settingsText.ts";
import type { Situation } from "./situation.ts";
import type { Actor } from "./stage.ts";
import { wayBack } from "./wayBack.ts";

/** Everything that was decided, before anything is done. */
export interface Rollout {
  readonly kind: Release["kind"];
  readonly id: string;
  /** The run's nonce, see newRun. */
  readonly run: string;
  /** The settings of now, for everything that is not the target's own. */
  readonly settings: Settings;
  readonly target: Target;
  readonly situation: Situation;
  readonly schema: SchemaPlan;
  /** Whether sessions of others may be ended. */
  readonly endsSessions?: boolean;
  /** Whether databases can be made, copied and renamed. */
  readonly mayCopy: boolean;
  /** Whether a dump can be restored into a new database. */
  readonly mayRestore: boolean;
  /** Whether the application's database role stops being a superuser. */
  readonly separatesRoles: boolean;
  /** What would be done to each part, as far as it is known before. */
  readonly changes: readonly Change[];
  /** The version that wrote last, for the role's repairs. */
  readonly formerTag: string | undefined;
  /** What serves now, for a rehearsal of the way back and for going back. */
  readonly former: (Actor & { readonly imageId: string }) | undefined;
  /** Whose image knows the database's revision, for a downgrade. */
  readonly knower: Actor | undefined;
  /** The backup of a `restore` or a `carry`; the newest fitting one where it is left out. */
  readonly backup?: Backup;
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
  /** Tables whose rows come from the backup in a `carry`. */
  readonly fromDump: readonly string[];
  /** How the server fails already. */
  readonly before?: Release["before"];
  /** Nobody waits for spans and bake time. */
  readonly incident: boolean;
}

interface CarriedOut extends Activated {
  readonly way: Release["way"];
  readonly rehearsal: Rehearsal | null;
  /** How long requests were expected to wait, as the rehearsal measured it; null where it did not. */
  readonly expectedPauseSeconds: number | null;
}

/**
 * Carries a decided rollout out: tries on a copy what was not proven before, while what runs
 * goes on serving; then does it, proves it, and goes back by itself where that fails.
 * @throws Problem REHEARSAL_FAILED and ROLLBACK_UNSAFE with nothing touched; ROLLED_BACK where
 *   the former release serves again; STEP_FAILED and INTERRUPTED where a person must act
 */
export async function carryOut(rollout: Rollout, session: Session): Promise<CarriedOut> {
  const { directory, tools } = session;
  const hookFacts = { rollout, directory };
  const marks = runMarks(session, rollout);
  const { present, observed } = rollout.situation;
  const serving = observed.find(
    (one) => one.service === rollout.target.prepared.stack.server.service,
  );
  const gate = rollout.incident
    ? undefined
    : await bakeGate(rollout.target.settings, present, serving, session.begunMs, tools);
  const ready = await orForget(rollout, session, async () => {
    const made = await makeReady(rollout, session);
    const pause = await askLongHold(rollout.target, made.rehearsal, tools);
    const before = rollout.kind === "deploy" ? "pre-deploy" : "pre-rollback";
    await callHook(before, hookFacts, tools);
    // Here, so that the one that a copy forces while requests wait is short.
    if (made.way === "migrate" && made.rehearsal !== null)
      await checkpoint(interruptible(rollout.situation.database!, tools.signal));
    return { ...made, ...pause };
  });
  const { target, rehearsal } = prepared(rollout, ready, session);
  const { schema } = rollout;
  const sheet = describeRelease(
    {
      kind: rollout.kind,
      id: rollout.id,
      run: rollout.run,
      present: rollout.situation.present,
      // A restored database may be ahead of the image, which stays.
      heads: (rollout.kind === "restore" && present?.heads) || schema.heads,
      revision: ready.way === "keep" ? (schema.revision ?? []) : schema.heads,
      way: ready.way,
      backup: ready.backup,
      proofs: ready.proofs,
      rehearsal: ready.rehearsal,
      before: rollout.before ?? [],
      titles: Object.fromEntries(schema.migrations.map((one) => [one.id, one.title])),
    },
    target,
    session,
  );
  const file = keepRelease(directory, sheet, {
    "compose.yaml": target.prepared.stack.text,
    "collector.yaml": target.prepared.collector,
    "settings.env": settingsText(target.settings),
  });
  const awayWork =
    ready.awayWork &&
    (async (server: DatabaseServer, told: typeof tools, oldServerStays: boolean) => {
      if (ready.way === "migrate") await callHook("pre-migrate", hookFacts, told);
      await ready.awayWork!(server, told, oldServerStays);
    });
  try {
    if (rollout.separatesRoles) await separateRoles(rollout, session);
    const { incident, endsSessions = false } = rollout;
    const beside = isProvenBeside(rehearsal);
    const { pauseSeconds, expectedPauseSeconds } = ready;
    const paused = { pauseSeconds, ...(rehearsal && { migrateSeconds: rehearsal.migrateSeconds }) };
    const serving = {
      sheet,
      target,
      directory,
      file,
      incident,
      endsSessions,
      gate,
      beside,
      awayWork,
    };
    const activation = { ...serving, ...paused };
    const done = await activate(activation, tools).catch((error: unknown) =>
      migrateOn(activation, rollout, error, session),
    );
    return await ended(
      { ...done, rehearsal, expectedPauseSeconds, way: ready.way },
      rollout,
      session,
    );
  } catch (error) {
    const { settings, situation: before } = rollout;
    const interrupted = { before, settings, stack: target.prepared.stack, marks };
    throw await wayBack({ failed: sheet, settings, error, interrupted }, session);
  }
}

/**
 * A migration that stopped half-way on a database that has taken writes since its snapshot: it
 * runs once more, as only its end brings those writes to where a server was rehearsed.
 * @throws the error where that is not so; Problem of the second try
 */
async function migrateOn(
  activation: Activation,
  { situation, former }: Rollout,
  error: unknown,
  session: Session,
): Promise<Activated> {
  const { directory, tools } = session;
  const { sheet, target } = activation;
  const { present, database } = situation;
  const isTried = error instanceof Problem && error.code === "STEP_FAILED";
  const mayHelp = isTried && !tools.signal.aborted && wasLetIn(directory, sheet.id);
  if (sheet.way !== "migrate" || !mayHelp || !present || !database || !former) throw error;
  const role = target.prepared.stack.server;
  const input = { failed: sheet, present, heads: present.heads, image: former.imageId, role };
  const plan = await databaseBackPlan(database, input, session).catch(() => undefined);
  if (plan?.action !== "forward" || plan.isComplete) throw error;
  tools.say.note(
    `${error.message}: the database has taken writes, so its migration runs once more`,
  );
  return activate({ ...activation, awayWork: () => Promise.resolve() }, tools);
}

/**
 * Takes from the application's database role what it does not need, while the former release serves.
 * @throws Problem DATABASE_REFUSED where its password does not open the database any more
 */
async function separateRoles(
  { id, settings, situation }: Rollout,
  { directory, tools }: Session,
): Promise<void> {
  const server = situation.database!;
  noteSeparatedRoles(directory, id);
  try {
    await tools.say.step("separate the database roles", () => takeOverRoles(server));
  } catch (error) {
    // Nothing has changed, and nothing else depends on it.
    if (!(error instanceof Problem)) throw error;
    tools.say.note(
      [`${error.message}; the next deploy tries again`, ...error.details].join("\n  "),
    );
    return;
  }
  const container = situation.observed.find((one) => one.service === "postgres")?.id;
  await refuseWrongPassword(settings, container, tools);
}

/** What comes after a release was recorded as good: nothing of it makes it less so. */
async function ended<Done extends { readonly way: Release["way"] }>(
  done: Done,
  rollout: Rollout,
  session: Session,
): Promise<Done> {
  const { directory, tools } = session;
  // After a run that was cut off there may be more than this one has made.
  if (session.afterCut || (done.way !== "none" && done.way !== "keep")) {
    await forgetScratch(rollout, session).catch((error: unknown) =>
      tools.say.note(
        `copies are left, the next rollout that makes some clears them away: ${String(error)}`,
      ),
    );
  }
  const after = rollout.kind === "deploy" ? "post-deploy" : "post-rollback";
  await callHook(after, { rollout, directory }, tools);
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
    // The first failure is the one to be told; on a disk that is full nothing can be dropped either.
    await dropCopies(rollout, session).catch((second: unknown) =>
      session.tools.say.note(
        `a copy of the database is left for the next rollout: ${String(second)}`,
      ),
    );
    throw error;
  }
}

/** A server on a schema newer than its own must not try to migrate it. */
function prepared({ target, id, situation }: Rollout, ready: Readiness, session: Session) {
  if (ready.way !== "keep") return { target, rehearsal: ready.rehearsal };
  const key = secretKey(session.directory, session.tools.randomBytes);
  const present = { release: id, observed: situation.observed, secretKey: key };
  const stack = withoutMigration(target.prepared.stack, labelParts(target.settings, present));
  return {
    target: { ...target, prepared: { ...target.prepared, stack } },
    rehearsal: ready.rehearsal,
  };
}

/** The copies of before are the tool's own: what was proven needs them no more. */
async function forgetScratch(rollout: Rollout, session: Session): Promise<void> {
  if (rollout.situation.database === undefined) return;
  await session.tools.say.step("clear the copies away", () => dropCopies(rollout, session));
}

async function dropCopies(rollout: Rollout, session: Session): Promise<void> {
  const { database } = rollout.situation;
  if (database === undefined) return;
  await clearScratch(database, runMarks(session, rollout)("rehearsal").installation);
}
