import { databases } from "../database/databaseNames.ts";
import { retainedText, rowsOnlyIn } from "../database/rowsOnlyIn.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { runMarks } from "./nextRelease.ts";
import type { Session } from "./session.ts";

/**
 * Compares a database that was set aside with the live one, for the command's answer too.
 * @param retained its name
 * @returns a line for people; "" where it has no row that the live one lacks
 */
export async function noteRetained(
  server: DatabaseServer,
  retained: string,
  session: Pick<Session, "retained">,
): Promise<string> {
  const found = await rowsOnlyIn(server, retained);
  const known = session.retained.findIndex((one) => one.database === retained);
  if (known === -1) session.retained.push(found);
  else session.retained[known] = found;
  return retainedText(found);
}

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
