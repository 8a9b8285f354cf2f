import { askRows } from "./askRows.ts";
import { maintenance } from "./maintenance.ts";
import { quoteText } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

/** Somebody who is connected; what a server tells only to its superuser is null. */
export interface Session {
  readonly database: string;
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  readonly address: string | null;
  readonly state: string | null;
  /** When it came into that state, ISO 8601. */
  readonly since: string | null;
}

/**
 * Who is connected to these databases.
 * @throws Problem DATABASE_REFUSED
 */
export async function sessions(
  server: DatabaseServer,
  names: readonly string[],
): Promise<Session[]> {
  return askRows<Session>(
    await maintenance(server, names),
    `SELECT datname AS database, pid, usename AS user, application_name AS application,
      client_addr AS address, state, coalesce(state_change, backend_start) AS since
      FROM pg_stat_activity WHERE datname IN (${names.map(quoteText).join(", ")})
      AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY pid`,
    `the sessions of ${names.join(", ")}`,
  );
}
