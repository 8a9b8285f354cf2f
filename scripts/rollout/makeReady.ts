import { copyDatabase } from "../database/copyDatabase.ts";
import { readSchema } from "../database/readSchema.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { keepSchemaBefore } from "../ledger/schemaBefore.ts";
import type { Proof, Release } from "../ledger/release.ts";
import { fingerprint } from "../ledger/backups.ts";
import type { Tools } from "../parts/tools.ts";
import type { Rollout } from "./carryOut.ts";
import { plannedCutover } from "./plannedCutover.ts";
import { playTarget } from "./playTarget.ts";
import { rehearse, type Rehearsal } from "./rehearse.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { takeBackup } from "./takeBackup.ts";
import { takesSnapshot } from "./takesSnapshot.ts";
import { tryWays, type ReadyWay } from "./tryWays.ts";

/** What was learnt and made ready while the former release still served. */
export interface Readiness {
  readonly way: Release["way"];
  readonly backup: string | null;
  readonly proofs: readonly Proof[];
  readonly rehearsal: Rehearsal | null;
  readonly awayWork: ReadyWay["awayWork"];
}

/**
 * Backs up what will change and tries it on a copy, while the former release serves.
 * @throws Problem REHEARSAL_FAILED and ROLLBACK_UNSAFE with nothing touched
 */
export async function makeReady(rollout: Rollout, session: Session): Promise<Readiness> {
  const { schema, situation, target, former } = rollout;
  const { directory, tools } = session;
  const nothing = { backup: null, proofs: [], rehearsal: null, awayWork: undefined } as const;
  if (schema.action === "none" && !rollout.separatesRoles) return { ...nothing, way: "none" };
  const isEmpty = (schema.revision ?? []).length === 0 || situation.database === undefined;
  if (schema.action === "migrate" && isEmpty) return { ...nothing, way: "migrate" };
  const server = situation.database!;
  const marks = runMarks(session, rollout);
  const scratch = marks("rehearsal");
  const role = target.prepared.stack.server;
  const backUp = () => {
    const release = situation.present?.id ?? null;
    const reason = `before ${rollout.kind} ${rollout.id}`;
    const encryptionKey = fingerprint(rollout.settings.secrets.get("LETTA_ENCRYPTION_KEY"));
    const about = { directory, server, role, reason, release, encryptionKey };
    return takeBackup({ ...about, scratch: rollout.mayRestore ? scratch : undefined }, tools);
  };
  if (schema.action === "none") {
    // Its own server, as a role that owns its database and can do nothing else.
    const backup = await backUp();
    await playTarget(rollout, scratch, session);
    return { ...nothing, way: "none", backup: backup.id };
  }
  if (schema.action === "migrate") {
    const backup = await backUp();
    const snapshot = (now: DatabaseServer, told: Tools) =>
      told.say.step(
        "keep a copy of the database as it was",
        () => copyDatabase(now, now.name, marks("snapshot"), told.signal),
        endedText,
      );
    if (!rollout.mayRestore) {
      const awayWork = async (now: DatabaseServer, told: Tools) => {
        // A template needs no right to create its extensions, as a dump does.
        if (rollout.mayCopy) await snapshot(now, told);
        keepSchemaBefore(directory, rollout.id, await readSchema(now.database()));
      };
      return { ...nothing, way: "migrate", backup: backup.id, awayWork };
    }
    const newcomer = { stack: target.prepared.stack, settings: target.settings };
    const triesBeside = plannedCutover(target, rollout, true).cutover === "overlap";
    const rehearsal = await rehearse(
      { directory, settings: rollout.settings, server, scratch, newcomer, former, triesBeside },
      tools,
    );
    return {
      way: "migrate",
      backup: backup.id,
      proofs: rehearsal.wayBack ? [rehearsal.wayBack] : [],
      rehearsal,
      awayWork: async (now, told, oldServerStays) => {
        if (takesSnapshot(rehearsal, oldServerStays)) {
          await snapshot(now, told);
        } else {
          told.say.note(
            `no snapshot: it would take ${rehearsal.copySeconds.toFixed(0)} s, and the old server stays`,
          );
        }
        keepSchemaBefore(directory, rollout.id, await readSchema(now.database()));
      },
    };
  }
  const chosen = await tryWays(rollout, backUp, session);
  return { ...nothing, ...chosen, rehearsal: null };
}
