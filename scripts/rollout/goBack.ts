import { join } from "node:path";
import { findDoor } from "../cutover/findDoor.ts";
import { pauseFor } from "../cutover/pauseFor.ts";
import { settleServers } from "../cutover/settleServers.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { headsOf } from "../database/history.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { giveRolesBack } from "../database/takeOverRoles.ts";
import type { Release } from "../ledger/release.ts";
import { forgetPauseToken } from "../ledger/pauseToken.ts";
import { keepRelease, nextReleaseId, releaseIds, updateRelease } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { hasSeparatedRoles } from "../ledger/separatedRoles.ts";
import { readyDatabase } from "../parts/readyDatabase.ts";
import { stopAll } from "../parts/stopAll.ts";
import type { Tools } from "../parts/tools.ts";
import { labelParts } from "../preparation/prepareStack.ts";
import { pastTarget } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import { activate } from "./activate.ts";
import { databaseBack, databaseBackPlan, rollbackStopped } from "./databaseBack.ts";
import { describeRelease, newRun } from "./describeRelease.ts";
import { imageHistory } from "./imageHistory.ts";
import { keepRepairs } from "./keepRepairs.ts";
import { repair } from "./repairs.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { settingsText } from "./settingsText.ts";
import { situation, type Situation } from "./situation.ts";
import { tellRetained } from "./tellRetained.ts";

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
 * @throws Problem of the first thing that fails; its own sheet tells that it did
 */
export async function goBack(asked: Return, session: Session): Promise<Release> {
  const { failed, settings, present, why } = asked;
  const { directory, tools } = session;
  const key = secretKey(directory, tools.randomBytes);
  const id = nextReleaseId(directory);
  const run = newRun(tools);
  const marks = runMarks(session, { id, run });
  const observed = await tools.engine.containers(settings.project);
  const making = { id, directory, observed, secretKey: key, keeps: true };
  const target = await pastTarget(settings, present, making, tools);
  const { server: role } = target.prepared.stack;
  const image = target.images.bySetting.get("LETTA_IMAGE")!;
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await settleServers(settings, target.prepared.stack, tools);
  const history = await imageHistory(image, role, { directory, keeps: true }, tools);
  const heads = headsOf(history);
  const input = { failed, present, heads, image, role };
  /** Before anything is stopped: where nothing can be rolled back, what runs goes on. */
  const expectRollback = async () => {
    const { database } = await situation(settings, directory, role, postgres, tools);
    if (database === undefined) return;
    const plan = await databaseBackPlan(database, input, session);
    if (plan.action === "forward") throw rollbackStopped(database, plan, input);
  };
  // Where nothing became of the database, the server may be the one that served all the time.
  const isIdle = failed.way === "none";
  if (!isIdle) {
    // Somebody may be asking the one that is stopped now.
    const before = await tools.engine.containers(settings.project);
    const pausing = { sheet: failed, directory, server: role, observed: before };
    await pauseFor(pausing, await findDoor(settings, tools));
    await expectRollback();
    const failing = [role.service, role.migrate];
    await stopAll(target.prepared.stack, failing, tools, "stop what failed");
    forgetPauseToken(directory, failed.id);
  }
  const origin = present.restores ?? present.id;
  const past = join(directory, "releases", origin, "compose.yaml");
  await readyDatabase(target.settings, target.prepared.stack, past, postgres, tools);
  const seen = await situation(settings, directory, role, postgres, tools);
  if (hasSeparatedRoles(directory, failed.id)) await rightsBack(seen, tools);
  const { way, at } = seen.database
    ? await databaseBack(seen.database, input, marks, session)
    : ({ way: "none", at: heads } as const);
  // A snapshot is swapped in only where the migrated database has taken no writes.
  if (seen.database && failed.way !== "migrate")
    await tellRetained(seen.database, failed.id, session);
  const stack =
    way === "keep"
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
    way,
    backup: null,
    proofs: [],
    rehearsal: null,
    before: failed.before ?? [],
  } as const;
  const reason = `way back from ${failed.id}: ${why}`;
  const sheet = describeRelease(parts, whole, { ...session, reason });
  try {
    const file = keepRelease(directory, sheet, {
      "compose.yaml": stack.text,
      "collector.yaml": target.prepared.collector,
      "settings.env": settingsText(target.settings),
    });
    const repairs = way === "keep" ? await keepRepairs(directory, role, at, sheet.tag) : [];
    const activation = {
      sheet,
      target: whole,
      directory,
      file,
      incident: true,
      awayWork:
        isIdle && way === "none"
          ? undefined
          : async (server: DatabaseServer) => repair(server.database(), repairs),
    };
    const { release } = await activate(activation, tools);
    if (seen.database !== undefined) {
      await clearScratch(seen.database, marks("snapshot").installation);
    }
    return release;
  } catch (error) {
    // A disk that failed may have kept it or not.
    if (releaseIds(directory).includes(id))
      updateRelease(directory, { ...sheet, outcome: "failed" });
    throw error;
  }
}

/** What failed may have failed for lack of a right: the former server has every one it had. */
async function rightsBack({ database, roles }: Situation, { say }: Tools): Promise<void> {
  if (database === undefined || roles?.kind !== "separate") return;
  await say.step(`give ${roles.application} its database rights back`, () =>
    giveRolesBack(database),
  );
}
