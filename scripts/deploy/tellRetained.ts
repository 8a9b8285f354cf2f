import { databases } from "../database/databases.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { noteRetained } from "./noteRetained.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";

/**
 * Tells how many rows only retained databases have: of those that a release, or a rollback of it, set
 * aside. A run that was interrupted after its swap did not get to say it.
 * @param since the release's id
 */
export async function tellRetained(
  server: DatabaseServer,
  since: string,
  session: Session,
): Promise<void> {
  const { installation } = runMarks(session, { id: since })("retained");
  for (const [name, { mark }] of await databases(server)) {
    if (mark?.installation !== installation || mark.purpose !== "retained") continue;
    if (Number(mark.release) < Number(since)) continue;
    const rows = await noteRetained(server, name, session);
    if (rows !== "") session.context.reporter.note(rows);
  }
}
