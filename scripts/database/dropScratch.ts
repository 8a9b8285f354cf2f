import { Problem } from "../common/problem.ts";
import { alterDatabases } from "./alterDatabases.ts";
import { quoteName } from "./quote.ts";
import { isScratch } from "./scratchName.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * Drops a database of the tool's own making, whoever is still connected to it; one that does
 * not exist is fine.
 * @throws Problem DATABASE_REFUSED for any other name, before anything is asked
 */
export async function dropScratch(server: DatabaseServer, name: string): Promise<void> {
  if (!isScratch(server.name, name)) {
    throw new Problem("DATABASE_REFUSED", `${name} is no scratch database of ${server.name}`, {
      details: ["only what the tool made for itself is ever dropped by it"],
    });
  }
  const statement = `DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`;
  await alterDatabases(server, [name], statement, `${name} could not be dropped`);
}
