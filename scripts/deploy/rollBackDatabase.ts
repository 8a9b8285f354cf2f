import { Problem } from "../common/problem.ts";
import { compareSchemas } from "../database/compareSchemas.ts";
import { databaseName } from "../database/databaseName.ts";
import { databaseOfRun, databases } from "../database/databases.ts";
import { readSchema, type Schema } from "../database/readSchema.ts";
import { revision } from "../database/revision.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { swapNames } from "../database/swapNames.ts";
import { tookWrites } from "../state/tookWrites.ts";
import { schemaBefore } from "../state/schemaBefore.ts";
import { releasesNewestFirst, type Release } from "../state/releases.ts";
import type { Stack } from "../stack/renderStack.ts";
import { planDatabaseRollback, type DatabaseBack } from "./planDatabaseRollback.ts";
import { runMarks, type RunMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";

export interface DatabaseBackInput {
  readonly failed: Release;
  readonly present: Release;
  /** What the previous server's image leads to. */
  readonly heads: readonly string[];
  /** The previous server's image, by its id. */
  readonly image: string;
  readonly role: Stack["server"];
}

/** What a rollback does to the database, and what was found. */
export interface DatabaseBackPlan {
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
    : "its database was migrated, and there is no snapshot of before";
  const databaseStrategy = previous === undefined && !hasTakenWrites ? "keep" : "copy";
  return new Problem("ROLLBACK_STOPPED", `no rollback to ${present.tag}: ${why}`, {
    details: [
      `${live} is live, at ${at.join(", ")}${isComplete ? "" : ", its migration is not complete"}`,
      previous === undefined
        ? `backup ${failed.backup ?? "none"} is from before the migration and lacks what was written since`
        : `${previous} is the snapshot of before the migration and lacks what was written since`,
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
    const name = `the database as it was before; the failed one stays as ${retained}`;
    try {
      await context.reporter.step(name, swap, endedText);
    } catch (error) {
      // Sessions that our role may not end are no reason to leave nothing serving.
      if (!(error instanceof Problem) || !mayKeep) throw error;
      context.reporter.note([error.message, ...error.details].join("; "));
      context.reporter.note(
        `${present.tag} was rehearsed on the present schema and serves on that`,
      );
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
