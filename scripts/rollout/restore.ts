import { Problem } from "../common/problem.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { assertAllows, lackText } from "../database/judgeDatabase.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import { describeEngine } from "../engine/endpoint.ts";
import { readBackups, type Backup } from "../ledger/backups.ts";
import { judgeExternalDatabase } from "../parts/judgeExternalDatabase.ts";
import type { Tools } from "../parts/tools.ts";
import { pastTarget } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { askEndSessions } from "./askEndSessions.ts";
import { carryOut } from "./carryOut.ts";
import { makingOf } from "./deploy.ts";
import { newRun } from "./describeRelease.ts";
import { presentState } from "./presentState.ts";
import { recover } from "./recover.ts";
import { refuseForeign, refuseOtherKey } from "./refuseBackup.ts";
import { refuseSmallDisk } from "./refuseGuarded.ts";
import { namesNeeded, refuseTakenNames } from "./refuseTakenNames.ts";
import { runMarks } from "./runMarks.ts";
import { session, type Retaining, type SessionAsked } from "./session.ts";

export interface RestoreOutcome {
  readonly backup: Backup;
  readonly release: string;
  readonly from: string;
  readonly way: "restore";
  readonly awaySeconds: number | null;
}

/**
 * Puts a backup in the place of the live database, which stays under another name. The same
 * release serves on: a backup of another schema needs a rollback to its release.
 * @param wanted a backup's id; the newest proven one where it is left out
 * @throws Problem RELEASE_UNKNOWN where there is no such backup, ROLLBACK_UNSAFE where its schema
 *   is another, BACKUP_DAMAGED; ROLLED_BACK where the former database serves again
 */
export function restore(
  settings: Settings,
  asked: Omit<SessionAsked, "command"> & {
    readonly wanted: string | undefined;
    /** Whether a backup may be another installation's. */
    readonly foreign?: boolean;
    /** Whether sessions of others may be ended without a question. */
    readonly endSessions?: boolean;
  },
  tools: Tools,
): Promise<RestoreOutcome & Retaining> {
  return session(settings, { ...asked, command: "restore" }, tools, async (begun) => {
    await recover(settings, begun);
    const { seen, target: serving } = await presentState(settings, begun);
    const present = seen.present!;
    const postgres = serving.images.bySetting.get("POSTGRES_IMAGE")!;
    const judged = await judgeExternalDatabase(settings, postgres, begun.tools);
    const { mayCopy, mayRestore } = judged;
    for (const one of assertAllows(judged, ["write", "dump", "copy", "restore"]))
      begun.tools.say.note(`database: ${lackText(one)}`);
    const backup = chooseBackup(begun.directory, asked.wanted, settings.environment);
    const again = `npm run restore -- ${settings.environment} ${backup.id} --foreign`;
    refuseForeign(begun.directory, backup, asked.foreign === true, again);
    refuseOtherKey(backup, settings);
    if (!sameRevisions(backup.revision, present.revision)) {
      throw new Problem(
        "ROLLBACK_UNSAFE",
        `backup ${backup.id} is at ${backup.revision.join(", ")}, release ${present.id} serves at ${present.revision.join(", ")}`,
        {
          next: `npm run rollback -- ${backup.release} --database restore --env ${settings.environment}`,
        },
      );
    }
    const making = await makingOf(settings, begun);
    const run = newRun(begun.tools);
    const marks = runMarks(begun, { id: making.id, run });
    await refuseTakenNames(seen.database!, namesNeeded(marks));
    await refuseSmallDisk(begun.directory, seen.database!, backup);
    const { stack } = serving.prepared;
    await askEndSessions(seen.database!, stack, asked.endSessions === true, begun.tools);
    await begun.tools.say.confirm(`Put this backup in the place of the live database?`, [
      describeEngine(begun.tools.engine),
      `backup ${backup.id} of ${backup.created} (${backup.reason})`,
      "what was written since is not in it; the present database stays under another name",
    ]);
    await clearScratch(seen.database!, marks("live").installation);
    const own = { ...present, restores: present.id };
    const target = await pastTarget(settings, own, making, begun.tools);
    const done = await carryOut(
      {
        kind: "restore",
        id: making.id,
        run,
        settings,
        target: { ...target, restores: present.restores },
        situation: seen,
        schema: {
          revision: present.revision,
          heads: present.revision,
          action: "restore",
          migrations: [],
          ways: [],
          attempts: ["restore"],
          why: "asked for",
        },
        separatesRoles: false,
        mayCopy,
        mayRestore,
        changes: [],
        formerTag: present.tag,
        former: undefined,
        knower: undefined,
        backup,
        fromDump: [],
        incident: true,
      },
      begun,
    );
    const { release, awaySeconds } = done;
    return { backup, release: release.id, from: present.id, way: "restore", awaySeconds };
  });
}

function chooseBackup(directory: string, wanted: string | undefined, environment: string): Backup {
  const { backups, damaged } = readBackups(directory);
  const found = backups.find((one) =>
    wanted === undefined ? one.proven !== null : one.id === wanted,
  );
  if (found !== undefined) return found;
  const what = wanted === undefined ? "a proven backup" : `a backup ${wanted}`;
  throw new Problem("RELEASE_UNKNOWN", `expected ${what} of ${environment}, got none`, {
    details: [
      ...backups.map((one) => `${one.id} ${one.reason}${one.proven ? "" : " (not proven)"}`),
      ...damaged.map((one) => `${one.id}: ${one.why}`),
    ],
    next: `npm run backup -- ${environment}`,
  });
}
