import { askRows } from "./askRows.ts";
import { maintenance } from "./maintenance.ts";
import type { DatabaseServer } from "./sql.ts";

/**
 * The databases of a server with their sizes in bytes; null for one that may not be looked at.
 * @throws Problem DATABASE_REFUSED
 */
export async function databases(server: DatabaseServer): Promise<Map<string, number | null>> {
  const found = await askRows<{ name: string; bytes: number | null }>(
    await maintenance(server),
    `SELECT datname AS name, CASE WHEN has_database_privilege(oid, 'CONNECT')
      THEN pg_database_size(oid) END AS bytes FROM pg_database WHERE NOT datistemplate`,
    "its databases",
  );
  return new Map(found.map((one) => [one.name, one.bytes]));
}
