import { alterAlone } from "./alterAlone.ts";
import { alterDatabases } from "./alterDatabases.ts";
import { databaseName, makingName } from "./databaseName.ts";
import { applyOwn, type DatabaseOwn } from "./databaseOwn.ts";
import { interruptible } from "./interruptible.ts";
import { commentStatement, type Mark } from "./marks.ts";
import { quoteName } from "./quote.ts";
import { closedTo, ownClosed } from "./roles.ts";
import type { Session } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

export interface NewDatabase {
  readonly mark: Mark;
  /** What follows the name in CREATE DATABASE. */
  readonly clause: string;
  /** The database that is copied. */
  readonly from?: string;
  /** Its own settings and grants. */
  readonly own?: Omit<DatabaseOwn, "locale">;
  /** The Problem's message where it cannot be made. */
  readonly failure: string;
  /** Ends it, also while it is copied; nothing of it is left. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a database that has its mark as soon as it has its name, and that the application may not
 * connect to.
 * @returns the sessions on the copied database that were ended
 * @throws Problem DATABASE_REFUSED, also where the name is taken
 */
export async function makeDatabase(
  server: DatabaseServer,
  requested: NewDatabase,
): Promise<readonly Session[]> {
  const { mark, clause, from, own, failure, signal } = requested;
  const name = databaseName(server.name, mark);
  // CREATE DATABASE runs in no transaction, so a kill can leave a database without a mark. It is made
  // under a name that only this installation gives, where the next one is made and which is never needed.
  const roles = await server.roles();
  const making = makingName(server.name, mark.installation);
  const involved = [making, name, ...(from === undefined ? [] : [from])];
  const drop = `DROP DATABASE IF EXISTS ${quoteName(making)} WITH (FORCE);`;
  const statements = [
    "SET client_min_messages = warning;", // the notice that there is none is no failure
    drop,
    `CREATE DATABASE ${quoteName(making)} ${clause}${closedTo(roles)};`,
    ...(own === undefined ? [] : [applyOwn(making, ownClosed(roles, own))]),
    "BEGIN;",
    commentStatement(making, mark),
    `ALTER DATABASE ${quoteName(making)} RENAME TO ${quoteName(name)};`,
    "COMMIT;",
  ];
  const make = statements.join("\n");
  const working = interruptible(server, signal);
  try {
    if (from !== undefined) {
      return await alterAlone(working, { involved, alone: [from] }, make, failure);
    }
    await alterDatabases(working, involved, make, failure);
    return [];
  } catch (error) {
    await alterDatabases(server, [making], drop, failure).catch(() => undefined); // the next one drops it
    throw error;
  }
}
