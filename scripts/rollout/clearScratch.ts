import { databases } from "../database/databases.ts";
import { dropScratch } from "../database/dropScratch.ts";
import { isScratch } from "../database/scratchName.ts";
import type { DatabaseServer } from "../database/sql.ts";

/**
 * Drops the databases that the tool made for itself and that no unfinished release needs.
 * @throws Problem DATABASE_REFUSED
 */
export async function clearScratch(server: DatabaseServer): Promise<void> {
  for (const name of (await databases(server)).keys()) {
    if (isScratch(server.name, name)) await dropScratch(server, name);
  }
}
