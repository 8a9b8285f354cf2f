import { Problem } from "../common/problem.ts";
import { dropScratch, swapNames } from "../database/alterDatabases.ts";
import { copyIntoSchema } from "../database/copyIntoSchema.ts";
import { databaseName, type Mark } from "../database/databaseNames.ts";
import { copyDatabase } from "../database/makeDatabase.ts";
import { restoreDump } from "../database/restoreDump.ts";
import { sameRevisions } from "../database/revisions.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { type Backup, dumpPath, fingerprint, isSealed, readBackups } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import type { Verification } from "../state/release.ts";
import { refuseUnusable, usesBackup } from "./guards.ts";
import { type OfflineTask, runMarks } from "./nextRelease.ts";
import { noteRetained } from "./noteRetained.ts";
import type { DatabaseStrategy } from "./planSchema.ts";
import { openRehearsalEnvironment, play, type RehearsedServer } from "./rehearsalEnvironment.ts";
import { repair, repairsFor } from "./repairs.ts";
import type { Rollout } from "./rollout.ts";
import type { Session } from "./session.ts";
import { restoreProgress } from "./takeBackup.ts";

/** A way that passed on a copy, and what is to be done for real. */
export interface PreparedStrategy {
  readonly databaseStrategy: DatabaseStrategy;
  readonly backup: string | null;
  readonly verifications: readonly Verification[];
  /** Runs while no server is on the database. */
  readonly offlineTask: OfflineTask | undefined;
}

/**
 * Finds the first of the planned ways that passes on a copy of the database. One that was
 * verified at deploy time is taken as it is. What runs is not touched.
 * @param backUp dumps the present database and leaves its copy as the rehearsal's database
 * @throws Problem ROLLBACK_UNSAFE with why each did not pass
 */
export async function tryStrategies(
  rollout: Rollout,
  backUp: () => Promise<Backup>,
  session: Session,
): Promise<PreparedStrategy> {
  const { schema } = rollout;
  const faults: string[] = [];
  for (const databaseStrategy of schema.attempts) {
    const known = schema.strategies.find((one) => one.databaseStrategy === databaseStrategy);
    if (databaseStrategy === "keep" && known?.state === "verified")
      return { ...empty, ...keepFor(rollout) };
    try {
      return await tryStrategy(databaseStrategy, rollout, backUp, session);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { message, details, next } = error;
      const cure = next === undefined ? [] : [`next: ${next}`];
      faults.push(`${databaseStrategy}: ${[message, ...details.slice(0, 3), ...cure].join("; ")}`);
      session.context.reporter.note(faults.at(-1)!);
    }
  }
  throw new Problem(
    "ROLLBACK_UNSAFE",
    "no database strategy passed on a copy; nothing was touched",
    {
      details: faults,
      next: `npm run status -- ${rollout.settings.environment}`,
    },
  );
}

const empty = { backup: null, verifications: [] } as const;

function keepFor(rollout: Rollout): Pick<PreparedStrategy, "databaseStrategy" | "offlineTask"> {
  return {
    databaseStrategy: "keep",
    async offlineTask(server, context) {
      const repairs = await repairsOf(rollout);
      if (repairs.length === 0) return;
      await context.reporter.step(
        `repair: ${repairs.map((one) => one.description).join(", ")}`,
        () => repair(server.database(), repairs),
      );
    },
  };
}

async function tryStrategy(
  databaseStrategy: DatabaseStrategy,
  rollout: Rollout,
  backUp: () => Promise<Backup>,
  session: Session,
): Promise<PreparedStrategy> {
  const { context } = session;
  const server = rollout.currentState.database!;
  const marks = runMarks(session, rollout);
  const [scratch, incoming] = [marks("rehearsal"), marks("incoming")];
  const encryptionKey = fingerprint(rollout.settings.secrets.get("LETTA_ENCRYPTION_KEY"));
  const databaseOf = (mark: Mark) => databaseName(server.name, mark);
  const backup = rollout.backup ?? newestBackupAt(session.directory, rollout.schema.heads);
  if (usesBackup(databaseStrategy) && rollout.backup === undefined)
    refuseUnusable(session.directory, backup!, { ...rollout, attempts: rollout.schema.attempts });
  const swap = async (now: DatabaseServer, reported: Context) => {
    const retained = marks("retained");
    await reported.reporter.step(
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
  switch (databaseStrategy) {
    case "keep": {
      const taken = await backUp();
      // Nothing of the database changes: a server that fails on it makes space for the present one again.
      if (!rollout.mayRestore) return { backup: taken.id, verifications: [], ...keepFor(rollout) };
      const repairs = await repairsOf(rollout);
      await repair(server.database(databaseOf(scratch)), repairs);
      const verification = await playTarget(rollout, scratch, session);
      return { backup: taken.id, verifications: [verification], ...keepFor(rollout) };
    }
    case "restore": {
      const file = dumpFile(backup!, session);
      await context.reporter.step(`restore backup ${backup!.id} on the side`, (report) =>
        restoreDump(
          server,
          { ...file, onBytes: restoreProgress(backup!, report) },
          incoming,
          context.signal,
        ),
      );
      await context.reporter.step("copy it, for the server to be tried on the copy", () =>
        copyDatabase(server, databaseOf(incoming), scratch, context.signal),
      );
      await playTarget(rollout, scratch, session);
      const taken = await backUp();
      return { databaseStrategy, backup: taken.id, verifications: [], offlineTask: swap };
    }
    case "copy": {
      const copy = async (
        from: DatabaseServer,
        mark: Mark,
        { signal }: Context,
        report: (text: string) => void,
      ) => {
        const file = dumpFile(backup!, session);
        const onBytes = (copied: number) => report(`${(copied / 1e6).toFixed(0)} MB of rows`);
        const { fromDump } = rollout;
        const options = { from: from.name, dump: file, mark, fromDump, onBytes, signal };
        const copiedRows = await copyIntoSchema(from, options);
        await repair(from.database(databaseOf(mark)), await repairsOf(rollout), true);
        return copiedRows;
      };
      const report = await context.reporter.step(
        `copy rows into the schema of backup ${backup!.id}, in another database`,
        (report) => copy(server, scratch, context, report),
        ({ copied }) => `${Object.values(copied).reduce((sum, rows) => sum + rows, 0)} rows`,
      );
      for (const one of report.noPlace.filter((place) => place.rows > 0)) {
        const what = one.column === undefined ? one.table : `${one.table}.${one.column}`;
        context.reporter.note(
          `no place for ${what}: ${one.rows} ${one.column ? "values" : "rows"}`,
        );
      }
      await playTarget(rollout, scratch, session);
      return {
        databaseStrategy,
        ...empty,
        async offlineTask(now, reported) {
          await reported.reporter.step("copy the rows", (report) =>
            copy(now, incoming, reported, report),
          );
          await swap(now, reported);
        },
      };
    }
    case "downgrade": {
      const taken = await backUp();
      await context.reporter.step("downgrade a copy", () =>
        downgradeCopy(rollout, scratch, session),
      );
      await playTarget(rollout, scratch, session);
      return {
        databaseStrategy,
        backup: taken.id,
        verifications: [],
        async offlineTask(now, reported) {
          await reported.reporter.step(
            "downgrade a copy of the database",
            async () => {
              const ended = await copyDatabase(now, now.name, incoming, reported.signal);
              await downgradeCopy(rollout, incoming, { ...session, context: reported });
              return ended;
            },
            endedText,
          );
          await swap(now, reported);
        },
      };
    }
  }
}

/**
 * The newest verified backup whose schema is at these revisions: of those that this installation wrote,
 * where there is one.
 */
export function newestBackupAt(directory: string, heads: readonly string[]): Backup | undefined {
  const fitting = readBackups(directory).backups.filter(
    (one) => one.verified !== null && sameRevisions(one.revision, heads),
  );
  return fitting.find((one) => isSealed(directory, one.id)) ?? fitting[0];
}

function dumpFile(backup: Backup, { directory }: Session) {
  return { path: dumpPath(directory, backup.id), manifest: backup };
}

/**
 * Alembic's own downgrade of a copy, by the image that knows the present revision.
 * @param copy marks it
 * @throws Problem ROLLBACK_UNSAFE where none does, REHEARSAL_FAILED where it fails
 */
async function downgradeCopy(rollout: Rollout, copy: Mark, session: Session): Promise<void> {
  const { revisionOwner, currentState, settings, schema } = rollout;
  const server = currentState.database!;
  const database = databaseName(server.name, copy);
  const [revision] = schema.heads;
  if (revisionOwner === undefined || revision === undefined || schema.heads.length > 1) {
    throw new Problem("ROLLBACK_UNSAFE", "no image at hand can downgrade the database to one head");
  }
  const stack = structuredClone(revisionOwner.stack);
  const services = stack.model["services"] as Record<string, Record<string, unknown>>;
  const [program, ...rest] = stack.server.downgrade;
  services[stack.server.migrate]!["entrypoint"] = [program];
  services[stack.server.migrate]!["command"] = [...rest, revision];
  const rehearsedServers = new Map([["owner", { ...revisionOwner, stack }]]);
  const where = { settings, directory: session.directory };
  const rehearsalEnvironment = await openRehearsalEnvironment(
    rehearsedServers,
    { server, database },
    where,
    session.context,
  );
  try {
    await rehearsalEnvironment.migrate("owner");
    await repair(server.database(database), await repairsOf(rollout), true);
  } finally {
    await rehearsalEnvironment.close();
  }
}

/** The repairs from whatever version wrote last to the one that takes over. */
function repairsOf({ target, previousTag }: Rollout) {
  const to = target.settings.get("LETTA_VERSION");
  return repairsFor(target.prepared.stack.server, previousTag ?? to, to);
}

/**
 * Boots the target's server on a copy, without its migration, and uses it. The copy is gone then.
 * @param scratch marks the copy
 * @throws Problem REHEARSAL_FAILED where it does not boot, or does not work
 */
export async function playTarget(
  rollout: Rollout,
  scratch: Mark,
  { directory, context }: Session,
): Promise<Verification> {
  const { target, settings, currentState, schema } = rollout;
  const server = currentState.database!;
  const database = databaseName(server.name, scratch);
  const tag = target.settings.get("LETTA_VERSION");
  const rehearsedServer: RehearsedServer = {
    stack: target.prepared.stack,
    settings: target.settings,
  };
  const rehearsalEnvironment = await openRehearsalEnvironment(
    new Map([["target", rehearsedServer]]),
    { server, database },
    { settings, directory },
    context,
  );
  const started = context.now();
  try {
    const { requests } = await context.reporter.step(
      `${tag} on the copy`,
      () => play(rehearsalEnvironment, "target"),
      (played) =>
        `boots in ${played.bootSeconds.toFixed(1)} s, answers ${played.requests} requests`,
    );
    return {
      image: target.images.bySetting.get("LETTA_IMAGE")!,
      revision: schema.revision ?? [],
      databaseStrategy: "keep",
      passed: true,
      detail: `${tag} answered ${requests} requests on a copy`,
      at: new Date(context.now()).toISOString(),
      seconds: (context.now() - started) / 1000,
    };
  } finally {
    await rehearsalEnvironment.close();
    await dropScratch(server, scratch);
  }
}
