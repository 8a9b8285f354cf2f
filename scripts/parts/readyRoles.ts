import { countTables } from "../database/countTables.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { takeOverRoles } from "../database/takeOverRoles.ts";

/**
 * Separates the roles of a bundled database that nothing has used yet. One with data keeps its roles
 * until a deploy that says so, and has tried it on a copy.
 * @throws Problem DATABASE_REFUSED
 */
export async function readyRoles(server: DatabaseServer): Promise<void> {
  if ((await server.roles()).kind !== "superuser") return;
  const tables = await countTables(server.database());
  if (Object.keys(tables).length === 0) await takeOverRoles(server);
}
