import { copyDatabase } from "../database/makeDatabase.ts";
import { readSchema } from "../database/schema.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { fingerprint, keepSchemaBefore } from "../state/backups.ts";
import type { Verification, Release } from "../state/release.ts";
import type { Context } from "../state/context.ts";
import type { Rollout } from "./rollout.ts";
import { plannedStrategy } from "./decide.ts";
import { playTarget, type PreparedStrategy, tryStrategies } from "./tryStrategies.ts";
import { type Rehearsal, rehearse } from "./rehearse.ts";
import { runMarks } from "./nextRelease.ts";
import type { Session } from "./session.ts";
import { takeBackup } from "./takeBackup.ts";
import { takesSnapshot } from "./confirmLongPause.ts";

/** What was learnt and made ready while the previous release still served. */
export interface Readiness {
  readonly databaseStrategy: Release["databaseStrategy"];
  readonly backup: string | null;
  readonly verifications: readonly Verification[];
  readonly rehearsal: Rehearsal | null;
  readonly offlineTask: PreparedStrategy["offlineTask"];
}

/**
 * Backs up what will change and tries it on a copy, while the previous release serves.
 * @throws Problem REHEARSAL_FAILED and ROLLBACK_UNSAFE with nothing touched
 */
export async function prepareDeploy(rollout: Rollout, session: Session): Promise<Readiness> {
  const { schema, currentState, target, previous } = rollout;
  const { directory, context } = session;
  const nothing = {
    backup: null,
    verifications: [],
    rehearsal: null,
    offlineTask: undefined,
  } as const;
  if (schema.action === "none" && !rollout.separatesRoles)
    return { ...nothing, databaseStrategy: "none" };
  const isEmpty = (schema.revision ?? []).length === 0 || currentState.database === undefined;
  if (schema.action === "migrate" && isEmpty) return { ...nothing, databaseStrategy: "migrate" };
  const server = currentState.database!;
  const marks = runMarks(session, rollout);
  const scratch = marks("rehearsal");
  const role = target.prepared.stack.server;
  const backUp = () => {
    const release = currentState.present?.id ?? null;
    const reason = `before ${rollout.kind} ${rollout.id}`;
    const encryptionKey = fingerprint(rollout.settings.secrets.get("LETTA_ENCRYPTION_KEY"));
    const description = { directory, server, role, reason, release, encryptionKey };
    return takeBackup(
      { ...description, scratch: rollout.mayRestore ? scratch : undefined },
      context,
    );
  };
  if (schema.action === "none") {
    // Its own server, as a role that owns its database and can do nothing else.
    const backup = await backUp();
    await playTarget(rollout, scratch, session);
    return { ...nothing, databaseStrategy: "none", backup: backup.id };
  }
  if (schema.action === "migrate") {
    const backup = await backUp();
    const snapshot = (now: DatabaseServer, reported: Context) =>
      reported.reporter.step(
        "keep a copy of the database as it was",
        () => copyDatabase(now, now.name, marks("snapshot"), reported.signal),
        endedText,
      );
    if (!rollout.mayRestore) {
      const offlineTask = async (now: DatabaseServer, reported: Context) => {
        // A template needs no right to create its extensions, as a dump does.
        if (rollout.mayCopy) await snapshot(now, reported);
        keepSchemaBefore(directory, rollout.id, await readSchema(now.database()));
      };
      return { ...nothing, databaseStrategy: "migrate", backup: backup.id, offlineTask };
    }
    const candidate = { stack: target.prepared.stack, settings: target.settings };
    const testsCompatibility = plannedStrategy(target, rollout, true).strategy === "blue-green";
    const rehearsal = await rehearse(
      {
        directory,
        settings: rollout.settings,
        server,
        scratch,
        candidate,
        previous,
        testsCompatibility,
      },
      context,
    );
    return {
      databaseStrategy: "migrate",
      backup: backup.id,
      verifications: rehearsal.rollbackCheck ? [rehearsal.rollbackCheck] : [],
      rehearsal,
      offlineTask: async (now, reported, oldServerStays) => {
        if (takesSnapshot(rehearsal, oldServerStays)) {
          await snapshot(now, reported);
        } else {
          reported.reporter.note(
            `no snapshot: it would take ${rehearsal.copySeconds.toFixed(0)} s, and the old server stays`,
          );
        }
        keepSchemaBefore(directory, rollout.id, await readSchema(now.database()));
      },
    };
  }
  const chosen = await tryStrategies(rollout, backUp, session);
  return { ...nothing, ...chosen, rehearsal: null };
}
