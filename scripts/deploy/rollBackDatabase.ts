import { Problem } from "../common/problem.ts";
import { swapNames } from "../database/alterDatabases.ts";
import { databaseName, databaseOfRun, databases } from "../database/databaseNames.ts";
import { revision, sameRevisions } from "../database/revisions.ts";
import { compareSchemas, readSchema, type Schema } from "../database/schema.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Stack } from "../stack/renderStack.ts";
import { schemaBefore } from "../state/backups.ts";
import { tookWrites } from "../state/markers.ts";
import type { DatabaseStrategy, Release } from "../state/release.ts";
import { releasesNewestFirst } from "../state/releases.ts";
import { runMarks, type RunMarks } from "./nextRelease.ts";
import type { Session } from "./session.ts";

interface DatabaseBackInput {
  readonly failed: Release;
  readonly present: Release;
  /** What the previous server's image leads to. */
  readonly heads: readonly string[];
  /** The previous server's image, by its id. */
  readonly image: string;
  readonly role: Stack["server"];
}

/** What a rollback does to the database, and what was found. */
interface DatabaseBackPlan {
  readonly action: DatabaseBack;
  readonly at: readonly string[];
  /** The database of before the failed release, where it exists under another name. */
  readonly previous: string | undefined;
  /** Whether the previous server can also serve on the database as it is. */
  readonly mayKeep: boolean;
  /** Whether the failed release's migration has gone through. */
  readonly isComplete: boolean;
  readonly hasTakenWrites: boolean;
}

/** Looks at the database and plans, reading only: this may be the second try, after a kill. */
export async function databaseBackPlan(
  server: DatabaseServer,
  { failed, present, heads, image, role }: DatabaseBackInput,
  session: Session,
): Promise<DatabaseBackPlan> {
  const at = await revision(server.database(), role.revisionQuery);
  const isReplacing = ["copy", "downgrade", "restore"].includes(failed.databaseStrategy ?? "none");
  // A rollback that failed has none: what it set aside is what it came back from.
  // Only the mark of that very run says so: a database of that name may be anyone's.
  const mark = runMarks(session, failed)(isReplacing ? "retained" : "snapshot");
  const previous = databaseOfRun(await databases(server), mark);
  const before = schemaBefore(session.directory, failed.id);
  const hasTakenWrites = tookWrites(session.directory, failed.id);
  const isKeepRehearsed = isVerifiedOn(session.directory, image, at);
  const isAtHeads = sameRevisions(at, heads);
  const isBefore = isAtHeads || sameRevisions(at, present.revision);
  const isComplete = failed.databaseStrategy !== "migrate" || sameRevisions(at, failed.heads);
  const action = planDatabaseRollback({
    databaseStrategy: failed.databaseStrategy ?? "none",
    at,
    heads,
    served: present.revision,
    failedHeads: failed.heads,
    hasPrevious: previous !== undefined,
    mayHaveBegun: before !== undefined,
    hasTakenWrites,
    isKeepRehearsed,
    isSchemaUntouched: isBefore && before !== undefined && (await isSchemaStill(server, before)),
  });
  return {
    action,
    at,
    previous,
    mayKeep: isComplete && !isAtHeads && isKeepRehearsed,
    isComplete,
    hasTakenWrites,
  };
}

/**
 * The end of a rollback that would take acknowledged writes out of the live database.
 */
export function rollbackStopped(
  server: DatabaseServer,
  { at, previous, isComplete, hasTakenWrites }: DatabaseBackPlan,
  { failed, present }: Pick<DatabaseBackInput, "failed" | "present">,
): Problem {
  const live = server.name;
  const why = hasTakenWrites
    ? "the database has taken writes since it was migrated"
    : "its database was migrated, and there is no snapshot from before";
  const databaseStrategy = previous === undefined && !hasTakenWrites ? "keep" : "copy";
  return new Problem("ROLLBACK_STOPPED", `no rollback to ${present.tag}: ${why}`, {
    details: [
      `${live} is live, at ${at.join(", ")}${isComplete ? "" : ", its migration is not complete"}`,
      previous === undefined
        ? `backup ${failed.backup ?? "none"} is from before the migration and lacks the writes since`
        : `${previous} is the snapshot from before the migration and lacks the writes since`,
      `${present.tag} is at ${present.revision.join(", ")} and was not rehearsed on ${live} as it is now`,
    ],
    next: isComplete
      ? `npm run rollback -- ${present.id} --database ${databaseStrategy} --env ${failed.environment ?? "prod"}`
      : `npm run deploy:${failed.environment ?? "prod"}   (completes the migration)`,
  });
}

/**
 * Brings the database back to where the previous server can serve on it.
 * @param marks the rollback's own, for the database that is set aside
 * @throws Problem ROLLBACK_STOPPED where acknowledged writes would leave the live database
 */
export async function rollBackDatabase(
  server: DatabaseServer,
  input: DatabaseBackInput,
  marks: RunMarks,
  session: Session,
): Promise<{ readonly databaseStrategy: "none" | "keep"; readonly at: readonly string[] }> {
  const { present, heads, role } = input;
  const { context } = session;
  const plan = await databaseBackPlan(server, input, session);
  const { action, at, previous, mayKeep } = plan;
  if (action === "forward") throw rollbackStopped(server, plan, input);
  if (action === "keep") return { databaseStrategy: "keep", at };
  if (action === "swap") {
    // The new name is the rollback's, so that a second try finds nothing to swap any more.
    const retained = databaseName(server.name, marks("retained"));
    const swap = () =>
      swapNames(server, [
        { from: server.name, to: marks("retained") },
        { from: previous!, to: { ...marks("live"), encryptionKey: present.encryptionKey } },
      ]);
    const name = `restore snapshot, retain failed database as ${retained}`;
    try {
      await context.reporter.step(name, swap, endedText);
    } catch (error) {
      // Sessions that our role may not end are no reason to leave nothing serving.
      if (!(error instanceof Problem) || !mayKeep) throw error;
      context.reporter.note([error.message, ...error.details].join("; "));
      context.reporter.note(`${present.tag} was rehearsed on the present schema and runs on it`);
      return { databaseStrategy: "keep", at };
    }
  }
  const now = await revision(server.database(), role.revisionQuery);
  if (sameRevisions(now, heads)) return { databaseStrategy: "none", at: now };
  // It had served on a schema newer than its own: it still can.
  if (sameRevisions(now, present.revision)) return { databaseStrategy: "keep", at: now };
  throw new Problem(
    "STEP_FAILED",
    `the database is at ${now.join(", ")}, ${present.tag} needs ${heads.join(", ")}`,
  );
}

/** Whether nothing that a migration does has been done, which its revision says only at the end. */
async function isSchemaStill(server: DatabaseServer, before: Schema): Promise<boolean> {
  const { added, dropped, changed } = compareSchemas(before, await readSchema(server.database()));
  return [added, dropped, changed].every((lines) => lines.length === 0);
}

/** Whether this image passed on a database of this revision, in whatever release. */
function isVerifiedOn(directory: string, image: string, at: readonly string[]): boolean {
  return releasesNewestFirst(directory).some(({ verifications }) =>
    verifications.some(
      (one) => one.passed && one.image === image && sameRevisions(one.revision, at),
    ),
  );
}

export interface DatabaseBackFacts {
  /** What the failed release was to do to the database. */
  readonly databaseStrategy: DatabaseStrategy;
  /** Where its migration leads. */
  readonly failedHeads: readonly string[];
  /** What the database is at now. */
  readonly at: readonly string[];
  /** What the previous server's image leads to. */
  readonly heads: readonly string[];
  /** What the database was at while the previous server served: its heads, or what it was rehearsed on. */
  readonly served: readonly string[];
  /** Whether the database of before, which would be swapped in, exists under another name. */
  readonly hasPrevious: boolean;
  /** Whether the migration may have begun. */
  readonly mayHaveBegun: boolean;
  /** Whether requests may have reached the migrated database, or a server during its migration. */
  readonly hasTakenWrites: boolean;
  /** Whether the previous server passed the rehearsal on a database of the present revision. */
  readonly isKeepRehearsed: boolean;
  /** Whether the schema is still the one of before the migration. */
  readonly isSchemaUntouched: boolean;
}

/**
 * swap: the previous database becomes live. keep: the previous server serves on the newer schema. stay: the
 * database is as the previous server knows it. forward: none of these is possible without losing
 * acknowledged writes; the migration has to be completed, or a person has to choose.
 */
type DatabaseBack = "swap" | "keep" | "stay" | "forward";

/** Decides what becomes of the database in a rollback of a failed release: pure. */
export function planDatabaseRollback(facts: DatabaseBackFacts): DatabaseBack {
  const { databaseStrategy, at, heads, hasPrevious, hasTakenWrites, isKeepRehearsed } = facts;
  const isBefore = sameRevisions(at, heads) || sameRevisions(at, facts.served);
  if (databaseStrategy !== "migrate") {
    if (hasPrevious) return "swap";
    return !isBefore && isKeepRehearsed ? "keep" : "stay";
  }
  // What no request has reached lacks nothing as it was before.
  if (hasPrevious && !hasTakenWrites) return "swap";
  const isComplete = sameRevisions(at, facts.failedHeads);
  if (isComplete && !isBefore && isKeepRehearsed) return "keep";
  if (!facts.mayHaveBegun || (isBefore && facts.isSchemaUntouched)) return "stay";
  return "forward";
}
