import { retainedText, rowsOnlyIn } from "../database/rowsOnlyIn.ts";
import type { DatabaseServer } from "../database/sql.ts";
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
