import { join } from "node:path";
import { findProxyControl } from "./proxyControl.ts";
import { pauseFor } from "./pauseFor.ts";
import { removeExtraReplica } from "./replaceServer.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { headsOf } from "../database/revisions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { giveRolesBack } from "../database/takeOverRoles.ts";
import type { Release } from "../state/release.ts";
import { forgetPauseToken, hasSeparatedRoles } from "../state/markers.ts";
import { keepRelease, nextReleaseId, releaseIds, updateRelease } from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { currentState, type CurrentState, ensureDatabase } from "./currentState.ts";
import { stopAll } from "./updateServices.ts";
import type { Context } from "../state/context.ts";
import { labelParts } from "./prepareStack.ts";
import { pastTarget } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import { applyRelease } from "./applyRelease.ts";
import { databaseBackPlan, rollBackDatabase, rollbackStopped } from "./rollBackDatabase.ts";
import { describeRelease, newRun, settingsText } from "./describeRelease.ts";
import { imageHistory } from "./imageHistory.ts";
import { keepRepairs, repair } from "./repairs.ts";
import { runMarks } from "./nextRelease.ts";
import type { Session } from "./session.ts";
import { tellRetained } from "./noteRetained.ts";

export interface Return {
  /** The release that did not come to be good. */
  readonly failed: Release;
  /** The settings of now. */
  readonly settings: Settings;
  /** The last good one. */
  readonly present: Release;
  /** Why the other failed, in a line. */
  readonly why: string;
}

/**
 * Makes the last good release the one that runs again, as a release of its own. The database is
 * brought back by what is found there.
 * @throws Problem of the first thing that fails; its own manifest records that it did
 */
export async function rollBackRelease(answered: Return, session: Session): Promise<Release> {
  const { failed, settings, present, why } = answered;
  const { directory, context } = session;
  const key = secretKey(directory, context.randomBytes);
  const id = nextReleaseId(directory);
  const run = newRun(context);
  const marks = runMarks(session, { id, run });
  const observed = await context.engine.containers(settings.project);
  const preparation = { id, directory, observed, secretKey: key, keeps: true };
  const target = await pastTarget(settings, present, preparation, context);
  const { server: role } = target.prepared.stack;
  const image = target.images.bySetting.get("LETTA_IMAGE")!;
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await removeExtraReplica(settings, target.prepared.stack, context);
  const history = await imageHistory(image, role, { directory, keeps: true }, context);
  const heads = headsOf(history);
  const input = { failed, present, heads, image, role };
  /** Before anything is stopped: where nothing can be rolled back, what runs goes on. */
  const assertRollback = async () => {
    const { database } = await currentState(settings, directory, role, postgres, context);
    if (database === undefined) return;
    const plan = await databaseBackPlan(database, input, session);
    if (plan.action === "forward") throw rollbackStopped(database, plan, input);
  };
  // Where nothing became of the database, the server may be the one that served all the time.
  const isIdle = failed.databaseStrategy === "none";
  if (!isIdle) {
    // The one that is stopped now may have requests.
    const before = await context.engine.containers(settings.project);
    const pausing = { manifest: failed, directory, server: role, observed: before };
    await pauseFor(pausing, await findProxyControl(settings, context));
    await assertRollback();
    const failing = [role.service, role.migrate];
    await stopAll(target.prepared.stack, failing, context, "stop failed services");
    forgetPauseToken(directory, failed.id);
  }
  const origin = present.restores ?? present.id;
  const past = join(directory, "releases", origin, "compose.yaml");
  await ensureDatabase(target.settings, target.prepared.stack, past, postgres, context);
  const seen = await currentState(settings, directory, role, postgres, context);
  if (hasSeparatedRoles(directory, failed.id)) await rightsBack(seen, context);
  const { databaseStrategy, at } = seen.database
    ? await rollBackDatabase(seen.database, input, marks, session)
    : ({ databaseStrategy: "none", at: heads } as const);
  // A snapshot is swapped in only where the migrated database has taken no writes.
  if (seen.database && failed.databaseStrategy !== "migrate")
    await tellRetained(seen.database, failed.id, session);
  const stack =
    databaseStrategy === "keep"
      ? withoutMigration(
          target.prepared.stack,
          labelParts(target.settings, { release: id, observed, secretKey: key }),
        )
      : target.prepared.stack;
  const whole = { ...target, prepared: { ...target.prepared, stack } };
  const parts = {
    kind: "rollback",
    id,
    run,
    present,
    heads,
    revision: at,
    databaseStrategy,
    backup: null,
    verifications: [],
    rehearsal: null,
    before: failed.before ?? [],
  } as const;
  const reason = `rollback of ${failed.id}: ${why}`;
  const manifest = describeRelease(parts, whole, { ...session, reason });
  try {
    const file = keepRelease(directory, manifest, {
      "compose.yaml": stack.text,
      "collector.yaml": target.prepared.collector,
      "settings.env": settingsText(target.settings),
    });
    const repairs =
      databaseStrategy === "keep" ? await keepRepairs(directory, role, at, manifest.tag) : [];
    const releaseInput = {
      manifest,
      target: whole,
      directory,
      file,
      fast: true,
      offlineTask:
        isIdle && databaseStrategy === "none"
          ? undefined
          : async (server: DatabaseServer) => repair(server.database(), repairs),
    };
    const { release } = await applyRelease(releaseInput, context);
    if (seen.database !== undefined) {
      await clearScratch(seen.database, marks("snapshot").installation);
    }
    return release;
  } catch (error) {
    // A disk that failed may have stored it or not.
    if (releaseIds(directory).includes(id))
      updateRelease(directory, { ...manifest, outcome: "failed" });
    throw error;
  }
}

/** What failed may have failed for lack of a right: the previous server has every one it had. */
async function rightsBack({ database, roles }: CurrentState, { reporter }: Context): Promise<void> {
  if (database === undefined || roles?.kind !== "separate") return;
  await reporter.step(`restore database rights of ${roles.application}`, () =>
    giveRolesBack(database),
  );
}
