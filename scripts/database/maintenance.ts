import { Problem } from "../common/problem.ts";
import type { Database, DatabaseServer } from "./sql.ts";

/** Where every server lets one in, but some managed ones: what is renamed cannot be asked itself. */
const candidates = ["postgres", "template1"];

const found = new WeakMap<DatabaseServer, Set<string>>();

/**
 * A database to ask about the others from: one that none of the work is about.
 * @throws Problem DATABASE_REFUSED where the server lets us into none
 */
export async function maintenance(
  server: DatabaseServer,
  involved: readonly string[] = [],
): Promise<Database> {
  const open = found.get(server) ?? new Set<string>();
  found.set(server, open);
  // Of other databases the live one tells as well, where it is the only one to log in to.
  const free = [...candidates, server.name].filter((name) => !involved.includes(name));
  const details: string[] = [];
  for (const name of free) {
    const database = server.database(name);
    if (open.has(name)) return database;
    const { state, message } = await database.ask("SELECT 1");
    if (state === "") {
      open.add(name);
      return database;
    }
    details.push(`${name}: ${message}`);
  }
  throw new Problem(
    "DATABASE_REFUSED",
    `expected a login to ${free.join(" or ")}, from where databases are made, got none`,
    { details },
  );
}
