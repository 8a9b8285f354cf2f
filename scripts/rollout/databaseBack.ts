import { Problem } from "../common/problem.ts";
import { compareSchemas } from "../database/compareSchemas.ts";
import { databaseName } from "../database/databaseName.ts";
import { databaseOfRun, databases } from "../database/databases.ts";
import { readSchema } from "../database/readSchema.ts";
import { revision } from "../database/revision.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import { endedText } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { swapNames } from "../database/swapNames.ts";
import { wasLetIn } from "../ledger/letIn.ts";
import { releasesNewestFirst, type Release } from "../ledger/releases.ts";
import type { Stack } from "../stack/renderStack.ts";
import { runMarks, type RunMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";

/**
 * Brings the database back to where the former server can serve on it, by what is found
 * there: this may be the second try, after a kill.
 */
export async function databaseBack(
  server: DatabaseServer,
  {
    failed,
    present,
    marks,
    heads,
    image,
    role,
  }: {
    readonly failed: Release;
    readonly present: Release;
    /** The way back's own. */
    readonly marks: RunMarks;
    readonly heads: readonly string[];
    readonly image: string;
    readonly role: Stack["server"];
  },
  session: Session,
): Promise<{ readonly way: "none" | "keep"; readonly at: readonly string[] }> {
  const { directory, tools } = session;
  const at = await revision(server.database(), role.revisionQuery);
  // The database of before: a migration's own copy, or what a rollback has put aside. Its new
  // name is the way back's, so that the second time there is nothing to be swapped any more.
  // A way back that failed has none: what it put aside is what it came back from.
  const isReplacing = ["carry", "downgrade", "restore"].includes(failed.way ?? "none");
  // Only the mark of that very run says so: a database of that name may be anyone's.
  const before = runMarks(session, failed)(isReplacing ? "retained" : "snapshot");
  const aside = databaseOfRun(await databases(server), before);
  const isWhole = failed.way !== "migrate" || sameRevisions(at, failed.heads);
  // Where nobody has reached the failed server, the copy of before lacks nothing, and is what
  // this very server served on. Else, where the migration went through and this server was
  // proven on its outcome, nothing that was written since is lost.
  const isCopyEqual =
    failed.way === "migrate" && aside !== undefined && !wasLetIn(directory, failed.id);
  if (!isCopyEqual && isWhole && !sameRevisions(at, heads) && isProvenOn(directory, image, at))
    return { way: "keep", at };
  // The migration of a server that went on through it has not begun: that one may have written.
  const isBefore = failed.way === "migrate" && sameRevisions(at, heads);
  if (isBefore && aside !== undefined && !isCopyEqual && (await isSameSchema(server, aside)))
    return { way: "none", at };
  if (aside !== undefined) {
    const retained = databaseName(server.name, marks("retained"));
    const swap = () =>
      tools.say.step(
        `the database as it was before; the failed one stays as ${retained}`,
        () =>
          swapNames(server, [
            { from: server.name, to: marks("retained") },
            { from: aside, to: marks("live") },
          ]),
        endedText,
      );
    try {
      await swap();
    } catch (error) {
      // Sessions that our role may not end are no reason to leave nothing serving.
      if (!(error instanceof Problem) || !isWhole || !isProvenOn(directory, image, at)) throw error;
      tools.say.note([error.message, ...error.details].join("; "));
      tools.say.note(`${present.tag} was rehearsed on the present schema: it goes by that`);
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
async function isSameSchema(server: DatabaseServer, copy: string): Promise<boolean> {
  const [now, before] = [server.database(), server.database(copy)];
  const { added, dropped, changed } = compareSchemas(
    await readSchema(before),
    await readSchema(now),
  );
  return [added, dropped, changed].every((lines) => lines.length === 0);
}

/** Whether this image passed on a database of this revision, in whatever release. */
function isProvenOn(directory: string, image: string, at: readonly string[]): boolean {
  return releasesNewestFirst(directory).some(({ proofs }) =>
    proofs.some((one) => one.passed && one.image === image && sameRevisions(one.revision, at)),
  );
}
