import { Problem } from "../common/problem.ts";
import { dropScratch } from "../database/alterDatabases.ts";
import { type Backup, fingerprint, newestBackupAt } from "../state/backups.ts";
import type { Release } from "../state/release.ts";
import { refuseUnusable, usesBackup } from "./guards.ts";
import { type OfflineTask, runMarks } from "./nextRelease.ts";
import type { DatabaseStrategy } from "./planSchema.ts";
import { playTarget } from "./playTarget.ts";
import type { Rollout } from "./rollout.ts";
import type { Session } from "./session.ts";
import { copy } from "./strategies/copy.ts";
import {
  type DatabaseRun,
  databaseRun,
  type DatabaseStrategyPlan,
  type Prepared,
} from "./strategies/databaseStrategy.ts";
import { downgrade } from "./strategies/downgrade.ts";
import { keep } from "./strategies/keep.ts";
import { migrate } from "./strategies/migrate.ts";
import { restore } from "./strategies/restore.ts";
import { takeBackup } from "./takeBackup.ts";

const strategies: Readonly<Record<DatabaseStrategy | "migrate", DatabaseStrategyPlan>> = {
  migrate,
  keep,
  copy,
  downgrade,
  restore,
};

/** What was learnt and made ready while the previous release still served. */
export interface Readiness extends Prepared {
  readonly databaseStrategy: Release["databaseStrategy"];
  /** What is done to the database while no server is on it. */
  readonly offlineTask: OfflineTask | undefined;
}

const nothing = { backup: null, verifications: [], rehearsal: null } as const;

/**
 * Backs up what will change and tries it on a copy, while the previous release serves.
 * @throws Problem REHEARSAL_FAILED and ROLLBACK_UNSAFE with nothing touched
 */
export async function prepareDeploy(rollout: Rollout, session: Session): Promise<Readiness> {
  const { schema, currentState, separatesRoles } = rollout;
  const idle = { ...nothing, offlineTask: undefined };
  if (schema.action === "none" && !separatesRoles) return { ...idle, databaseStrategy: "none" };
  const isEmpty = (schema.revision ?? []).length === 0 || currentState.database === undefined;
  if (schema.action === "migrate" && isEmpty) return { ...idle, databaseStrategy: "migrate" };
  const source = rollout.backup ?? newestBackupAt(session.directory, schema.heads);
  const run = databaseRun(rollout, source, () => backUp(rollout, session), session);
  if (schema.action === "none") {
    // Its own server, as a role that owns its database and can do nothing else.
    const backup = await run.backUp();
    await playTarget(rollout, run.marks("rehearsal"), session);
    return { ...idle, databaseStrategy: "none", backup: backup.id };
  }
  if (schema.action === "migrate") return ready("migrate", run, await migrate.prepare(run));
  return tryStrategies(run);
}

/** A strategy with what its preparation came to, to be applied later. */
function ready(
  databaseStrategy: DatabaseStrategy | "migrate",
  run: DatabaseRun,
  prepared: Prepared,
): Readiness {
  return {
    ...prepared,
    databaseStrategy,
    // The database's container may be another one by then.
    offlineTask: (server, context, oldServerStays) =>
      strategies[databaseStrategy].apply({ ...run, server }, prepared, context, oldServerStays),
  };
}

/**
 * Finds the first of the planned strategies that passes on a copy of the database. One that was
 * verified at deploy time is taken as it is.
 * @throws Problem ROLLBACK_UNSAFE with why each did not pass
 */
async function tryStrategies(run: DatabaseRun): Promise<Readiness> {
  const { schema, settings } = run.rollout;
  const faults: string[] = [];
  for (const databaseStrategy of schema.attempts) {
    const known = schema.strategies.find((one) => one.databaseStrategy === databaseStrategy);
    if (databaseStrategy === "keep" && known?.state === "verified")
      return ready("keep", run, nothing);
    try {
      assertUsable(databaseStrategy, run);
      for (const purpose of ["rehearsal", "incoming"] as const)
        await dropScratch(run.server, run.marks(purpose));
      return ready(databaseStrategy, run, await strategies[databaseStrategy].prepare(run));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { message, details, next } = error;
      const cure = next === undefined ? [] : [`next: ${next}`];
      faults.push(`${databaseStrategy}: ${[message, ...details.slice(0, 3), ...cure].join("; ")}`);
      run.session.context.reporter.note(faults.at(-1)!);
    }
  }
  throw new Problem(
    "ROLLBACK_UNSAFE",
    "no database strategy passed on a copy; nothing was touched",
    { details: faults, next: `npm run status -- ${settings.environment}` },
  );
}

/** A backup that was asked for by name was checked before. */
function assertUsable(
  databaseStrategy: DatabaseStrategy,
  { rollout, session, source }: DatabaseRun,
) {
  if (!usesBackup(databaseStrategy) || rollout.backup !== undefined) return;
  refuseUnusable(session.directory, source!, { ...rollout, attempts: rollout.schema.attempts });
}

/** Dumps the live database, and restores the dump as the rehearsal's database where that is allowed. */
function backUp(rollout: Rollout, session: Session): Promise<Backup> {
  const { currentState, target, settings } = rollout;
  const { directory, context } = session;
  return takeBackup(
    {
      directory,
      server: currentState.database!,
      role: target.prepared.stack.server,
      reason: `before ${rollout.kind} ${rollout.id}`,
      release: currentState.present?.id ?? null,
      encryptionKey: fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY")),
      scratch: rollout.mayRestore ? runMarks(session, rollout)("rehearsal") : undefined,
    },
    context,
  );
}
