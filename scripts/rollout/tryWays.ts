import { Problem } from "../common/problem.ts";
import type { AwayWork } from "../cutover/nextRelease.ts";
import { carryRows } from "../database/carryRows.ts";
import { copyDatabase } from "../database/copyDatabase.ts";
import { databaseName } from "../database/databaseName.ts";
import { dropScratch } from "../database/dropScratch.ts";
import type { Mark } from "../database/marks.ts";
import { restoreDump } from "../database/restoreDump.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { swapNames } from "../database/swapNames.ts";
import { dumpPath, fingerprint, isSealed, readBackups, type Backup } from "../ledger/backups.ts";
import type { Proof } from "../ledger/release.ts";
import type { Tools } from "../parts/tools.ts";
import type { Way } from "./askableWays.ts";
import type { Rollout } from "./carryOut.ts";
import { downgradeCopy } from "./downgradeCopy.ts";
import { noteRetained } from "./noteRetained.ts";
import { playTarget } from "./playTarget.ts";
import { refuseUnusable, usesBackup } from "./refuseBackup.ts";
import { repair } from "./repairs.ts";
import { repairsOf } from "./repairsOf.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { restoreProgress } from "./takeBackup.ts";

/** A way that passed on a copy, and what is to be done for real. */
export interface ReadyWay {
  readonly way: Way;
  readonly backup: string | null;
  readonly proofs: readonly Proof[];
  /** Runs while no server is on the database. */
  readonly awayWork: AwayWork | undefined;
}

/**
 * Finds the first of the planned ways that passes on a copy of the database. One that was
 * proven at deploy time is taken as it is. What runs is not touched.
 * @param backUp dumps the present database and leaves its copy as the rehearsal's database
 * @throws Problem ROLLBACK_UNSAFE with why each did not pass
 */
export async function tryWays(
  rollout: Rollout,
  backUp: () => Promise<Backup>,
  session: Session,
): Promise<ReadyWay> {
  const { schema } = rollout;
  const faults: string[] = [];
  for (const way of schema.attempts) {
    const known = schema.ways.find((one) => one.way === way);
    if (way === "keep" && known?.state === "proven") return { ...empty, ...keepFor(rollout) };
    try {
      return await tryWay(way, rollout, backUp, session);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { message, details, next } = error;
      const cure = next === undefined ? [] : [`next: ${next}`];
      faults.push(`${way}: ${[message, ...details.slice(0, 3), ...cure].join("; ")}`);
      session.tools.say.note(faults.at(-1)!);
    }
  }
  throw new Problem("ROLLBACK_UNSAFE", "no way back passed on a copy; nothing was touched", {
    details: faults,
    next: `npm run status -- ${rollout.settings.environment}`,
  });
}

const empty = { backup: null, proofs: [] } as const;

function keepFor(rollout: Rollout): Pick<ReadyWay, "way" | "awayWork"> {
  return {
    way: "keep",
    async awayWork(server, tools) {
      const repairs = await repairsOf(rollout);
      if (repairs.length === 0) return;
      await tools.say.step(`repair: ${repairs.map((one) => one.about).join(", ")}`, () =>
        repair(server.database(), repairs),
      );
    },
  };
}

async function tryWay(
  way: Way,
  rollout: Rollout,
  backUp: () => Promise<Backup>,
  session: Session,
): Promise<ReadyWay> {
  const { tools } = session;
  const server = rollout.situation.database!;
  const marks = runMarks(session, rollout);
  const [scratch, incoming] = [marks("rehearsal"), marks("incoming")];
  const encryptionKey = fingerprint(rollout.settings.secrets.get("LETTA_ENCRYPTION_KEY"));
  const databaseOf = (mark: Mark) => databaseName(server.name, mark);
  const backup = rollout.backup ?? newestBackupAt(session.directory, rollout.schema.heads);
  if (usesBackup(way) && rollout.backup === undefined)
    refuseUnusable(session.directory, backup!, { ...rollout, attempts: rollout.schema.attempts });
  const swap = async (now: DatabaseServer, told: Tools) => {
    const retained = marks("retained");
    await told.say.step(
      `the present database stays as ${databaseOf(retained)}`,
      async () => {
        const ended = await swapNames(now, [
          { from: now.name, to: retained },
          { from: databaseOf(incoming), to: { ...marks("live"), encryptionKey } },
        ]);
        return [endedText(ended), await noteRetained(now, databaseOf(retained), session)];
      },
      (texts) => texts.filter(Boolean).join("; "),
    );
  };
  await dropScratch(server, scratch);
  await dropScratch(server, incoming);
  switch (way) {
    case "keep": {
      const taken = await backUp();
      // Nothing of the database changes: a server that fails on it makes room for the present one again.
      if (!rollout.mayRestore) return { backup: taken.id, proofs: [], ...keepFor(rollout) };
      const repairs = await repairsOf(rollout);
      await repair(server.database(databaseOf(scratch)), repairs);
      const proof = await playTarget(rollout, scratch, session);
      return { backup: taken.id, proofs: [proof], ...keepFor(rollout) };
    }
    case "restore": {
      const file = dumpFile(backup!, session);
      await tools.say.step(`restore backup ${backup!.id} on the side`, (report) =>
        restoreDump(
          server,
          { ...file, onBytes: restoreProgress(backup!, report) },
          incoming,
          tools.signal,
        ),
      );
      await tools.say.step("copy it, for the server to be tried on the copy", () =>
        copyDatabase(server, databaseOf(incoming), scratch, tools.signal),
      );
      await playTarget(rollout, scratch, session);
      const taken = await backUp();
      return { way, backup: taken.id, proofs: [], awayWork: swap };
    }
    case "carry": {
      const carry = async (
        from: DatabaseServer,
        mark: Mark,
        { signal }: Tools,
        report: (text: string) => void,
      ) => {
        const file = dumpFile(backup!, session);
        const onBytes = (copied: number) => report(`${(copied / 1e6).toFixed(0)} MB of rows`);
        const { fromDump } = rollout;
        const wish = { from: from.name, dump: file, mark, fromDump, onBytes, signal };
        const carried = await carryRows(from, wish);
        await repair(from.database(databaseOf(mark)), await repairsOf(rollout), true);
        return carried;
      };
      const report = await tools.say.step(
        `carry the rows into the schema of backup ${backup!.id}, on the side`,
        (report) => carry(server, scratch, tools, report),
        ({ copied }) => `${Object.values(copied).reduce((sum, rows) => sum + rows, 0)} rows`,
      );
      for (const one of report.noPlace.filter((place) => place.rows > 0)) {
        const what = one.column === undefined ? one.table : `${one.table}.${one.column}`;
        tools.say.note(`no place for ${what}: ${one.rows} ${one.column ? "values" : "rows"}`);
      }
      await playTarget(rollout, scratch, session);
      return {
        way,
        ...empty,
        async awayWork(now, told) {
          await told.say.step("carry the rows", (report) => carry(now, incoming, told, report));
          await swap(now, told);
        },
      };
    }
    case "downgrade": {
      const taken = await backUp();
      await tools.say.step("downgrade a copy", () => downgradeCopy(rollout, scratch, session));
      await playTarget(rollout, scratch, session);
      return {
        way,
        backup: taken.id,
        proofs: [],
        async awayWork(now, told) {
          await told.say.step(
            "downgrade a copy of the database",
            async () => {
              const ended = await copyDatabase(now, now.name, incoming, told.signal);
              await downgradeCopy(rollout, incoming, { ...session, tools: told });
              return ended;
            },
            endedText,
          );
          await swap(now, told);
        },
      };
    }
  }
}

/**
 * The newest proven backup whose schema is at these revisions: of those that this installation wrote,
 * where there is one.
 */
export function newestBackupAt(directory: string, heads: readonly string[]): Backup | undefined {
  const fitting = readBackups(directory).backups.filter(
    (one) => one.proven !== null && sameRevisions(one.revision, heads),
  );
  return fitting.find((one) => isSealed(directory, one.id)) ?? fitting[0];
}

function dumpFile(backup: Backup, { directory }: Session) {
  return { path: dumpPath(directory, backup.id), sheet: backup };
}
