import { alterDatabases } from "../database/alterDatabases.ts";
import { databases } from "../database/databases.ts";
import { commentStatement, type Mark } from "../database/marks.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";

/**
 * Marks the database that a release serves on. One with another comment keeps it, and one whose owner
 * our role is not stays unmarked, which is reported: the release is good all the same.
 */
export async function markLive(
  server: DatabaseServer,
  mark: Mark,
  context: Pick<Context, "reporter">,
): Promise<void> {
  try {
    const found = (await databases(server)).get(server.name);
    if (found === undefined || found.hasOtherComment) return;
    const isSame = found.mark?.run === mark.run && found.mark.encryptionKey === mark.encryptionKey;
    if (isSame) return;
    const statement = commentStatement(server.name, mark);
    await alterDatabases(server, [], statement, `${server.name} could not be marked`);
  } catch (error) {
    context.reporter.note(
      `the live database carries no mark of this installation: ${String(error)}`,
    );
  }
}
