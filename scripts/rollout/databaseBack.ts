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
import { wasLetIn } from "../ledger/letIn.ts";
import { schemaBefore } from "../ledger/schemaBefore.ts";
import { releasesNewestFirst, type Release } from "../ledger/releases.ts";
import type { Stack } from "../stack/renderStack.ts";
import { planDatabaseBack, type DatabaseBack } from "./planDatabaseBack.ts";
import { runMarks, type RunMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";

export interface DatabaseBackInput {
  readonly failed: Release;
  readonly present: Release;
  /** What the former server's image leads to. */
  readonly heads: readonly string[];
  /** The former server's image, by its id. */
  readonly image: string;
  readonly role: Stack["server"];
}

/** What a rollback does to the database, and what was found. */
export interface DatabaseBackPlan {
  readonly action: DatabaseBack;
  readonly at: readonly string[];
  /** The database of before the failed release, where it exists under another name. */
  readonly former: string | undefined;
  /** Whether the former server can also serve on the database as it is. */
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
  const isReplacing = ["carry", "downgrade", "restore"].includes(failed.way ?? "none");
  // A rollback that failed has none: what it set aside is what it came back from.
  // Only the mark of that very run says so: a database of that name may be anyone's.
  const mark = runMarks(session, failed)(isReplacing ? "retained" : "snapshot");
  const former = databaseOfRun(await databases(server), mark);
  const before = schemaBefore(session.directory, failed.id);
  const hasTakenWrites = wasLetIn(session.directory, failed.id);
  const isKeepRehearsed = isProvenOn(session.directory, image, at);
  const isAtHeads = sameRevisions(at, heads);
  const isBefore = isAtHeads || sameRevisions(at, present.revision);
  const isComplete = failed.way !== "migrate" || sameRevisions(at, failed.heads);
  const action = planDatabaseBack({
    way: failed.way ?? "none",
    at,
    heads,
    served: present.revision,
    failedHeads: failed.heads,
    hasFormer: former !== undefined,
    mayHaveBegun: before !== undefined,
    hasTakenWrites,
    isKeepRehearsed,
    isSchemaUntouched: isBefore && before !== undefined && (await isSchemaStill(server, before)),
  });
  return {
    action,
    at,
    former,
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
  { at, former, isComplete, hasTakenWrites }: DatabaseBackPlan,
  { failed, present }: Pick<DatabaseBackInput, "failed" | "present">,
): Problem {
  const live = server.name;
  const why = hasTakenWrites
    ? "the database has taken writes since it was migrated"
    : "its database was migrated, and there is no snapshot of before";
  const way = former === undefined && !hasTakenWrites ? "keep" : "carry";
  return new Problem("ROLLBACK_STOPPED", `no rollback to ${present.tag}: ${why}`, {
    details: [
      `${live} is live, at ${at.join(", ")}${isComplete ? "" : ", its migration is not complete"}`,
      former === undefined
        ? `backup ${failed.backup ?? "none"} is from before the migration and lacks what was written since`
        : `${former} is the snapshot of before the migration and lacks what was written since`,
      `${present.tag} is at ${present.revision.join(", ")} and was not rehearsed on ${live} as it is now`,
    ],
    next: isComplete
      ? `npm run rollback -- ${present.id} --database ${way} --env ${failed.environment ?? "prod"}`
      : `npm run deploy:${failed.environment ?? "prod"}   (completes the migration)`,
  });
}

/**
 * Brings the database back to where the former server can serve on it.
 * @param marks the rollback's own, for the database that is set aside
 * @throws Problem ROLLBACK_STOPPED where acknowledged writes would leave the live database
 */
export async function databaseBack(
  server: DatabaseServer,
  input: DatabaseBackInput,
  marks: RunMarks,
  session: Session,
): Promise<{ readonly way: "none" | "keep"; readonly at: readonly string[] }> {
  const { present, heads, role } = input;
  const { tools } = session;
  const plan = await databaseBackPlan(server, input, session);
  const { action, at, former, mayKeep } = plan;
  if (action === "forward") throw rollbackStopped(server, plan, input);
  if (action === "keep") return { way: "keep", at };
  if (action === "swap") {
    // The new name is the rollback's, so that a second try finds nothing to swap any more.
    const retained = databaseName(server.name, marks("retained"));
    const swap = () =>
      swapNames(server, [
        { from: server.name, to: marks("retained") },
        { from: former!, to: { ...marks("live"), encryptionKey: present.encryptionKey } },
      ]);
    const name = `the database as it was before; the failed one stays as ${retained}`;
    try {
      await tools.say.step(name, swap, endedText);
    } catch (error) {
      // Sessions that our role may not end are no reason to leave nothing serving.
      if (!(error instanceof Problem) || !mayKeep) throw error;
      tools.say.note([error.message, ...error.details].join("; "));
      tools.say.note(`${present.tag} was rehearsed on the present schema and serves on that`);
      return { way: "keep", at };
    }
  }
  const now = await revision(server.database(), role.revisionQuery);
  if (sameRevisions(now, heads)) return { way: "none", at: now };
  // It had served on a schema newer than its own: it still can.
  if (sameRevisions(now, present.revision)) return { way: "keep", at: now };
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
function isProvenOn(directory: string, image: string, at: readonly string[]): boolean {
  return releasesNewestFirst(directory).some(({ proofs }) =>
    proofs.some((one) => one.passed && one.image === image && sameRevisions(one.revision, at)),
  );
}
