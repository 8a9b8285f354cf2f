import { Problem } from "../common/problem.ts";
import { maintenance } from "./maintenance.ts";
import { sessions, sessionText } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

/** SQLSTATE of a database that others are connected to. */
const objectInUse = "55006";

/**
 * Makes, renames or drops databases, asked from one that has no part in it.
 * @param involved those it is about
 * @param failure the Problem's message where it does not succeed
 * @throws Problem DATABASE_REFUSED with Postgres' words, and the sessions that are in the way
 */
export async function alterDatabases(
  server: DatabaseServer,
  involved: readonly string[],
  statement: string,
  failure: string,
): Promise<void> {
  const database = await maintenance(server, involved);
  const { state, message } = await database.ask(statement);
  if (state === "") return;
  const inTheWay = state === objectInUse ? await sessions(server, involved) : [];
  throw new Problem("DATABASE_REFUSED", failure, {
    details: [
      message,
      ...inTheWay.map((one) => `connected to ${one.database}: ${sessionText(one)}`),
    ],
  });
}
