import { askRows } from "./askRows.ts";
import { clientEnvironment } from "./clientEnvironment.ts";
import { maintenance } from "./maintenance.ts";
import { quoteText } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

/** A session on a database; what a server tells only to privileged roles is null. */
export interface Session {
  readonly database: string;
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  readonly address: string | null;
  readonly state: string | null;
  /** When it came into that state, ISO 8601. */
  readonly since: string | null;
  /** A client; a logical replication stream; a background worker of an extension. */
  readonly kind: "client" | "replication" | "worker";
  /** Whether our role may end it. */
  readonly mayEnd: boolean;
  /**
   * Whether it has our role and address and no application's name but the URI's, as the stack's server on
   * an external database does: behind the same address nothing tells the two apart.
   */
  readonly isAlike: boolean;
}

/**
 * The sessions on these databases, but for this one. Autovacuum and parallel workers, which
 * Postgres ends by itself, are left out: they have no role of their own. For a role without
 * pg_read_all_stats `backend_type` is null, which must not hide a session
 * (PostgreSQL 17, pgstatfuncs.c, pg_stat_get_activity).
 * @throws Problem DATABASE_REFUSED
 */
export async function sessions(
  server: DatabaseServer,
  names: readonly string[],
): Promise<Session[]> {
  return askRows<Session>(
    await maintenance(server, names),
    `SELECT ${sessionColumns(server)} ${sessionsOn(names)} ORDER BY pid`,
    `the sessions of ${names.join(", ")}`,
  );
}

/**
 * Ends the sessions on these databases that our role may end. Without a fence others may
 * connect right after: see `alterAlone`.
 * @returns those that were ended
 * @throws Problem DATABASE_REFUSED
 */
export async function endSessions(
  server: DatabaseServer,
  names: readonly string[],
): Promise<Session[]> {
  const ended = await askRows<Session & { ended: boolean }>(
    await maintenance(server, names),
    `SELECT ${sessionColumns(server)}, pg_terminate_backend(a.pid) AS ended ${sessionsOn(names)} AND ${mayEnd}`,
    `whether the sessions of ${names.join(", ")} ended`,
  );
  return ended.filter((one) => one.ended);
}

/** "pid 71, alice, psql, from 10.0.0.5, idle since 2026-11-30T07:00:00Z". */
export function sessionText(session: Session): string {
  const { pid, user, application, address, kind, state, since } = session;
  const whose = [user, application, address && `from ${address}`, kindText[kind]].filter(Boolean);
  return `pid ${pid}, ${whose.join(", ")}, ${state ?? "state unknown"} since ${since ?? "unknown"}`;
}

/** For a step that ended sessions of others; "" where there were none. */
export function endedText(ended: readonly Session[]): string {
  return ended.length === 0 ? "" : `ended sessions: ${ended.map(sessionText).join("; ")}`;
}

const kindText = { client: null, replication: "logical replication", worker: "background worker" };

/** Who may signal whom (PostgreSQL 17, signalfuncs.c): only superusers a superuser's session. */
const mayEnd = `(me.rolsuper OR (NOT its.rolsuper AND (pg_has_role(its.oid, 'USAGE')
  OR pg_has_role('pg_signal_backend', 'USAGE'))))`;

/** Of `a` in pg_stat_activity with its role `its`, as `me` may see them. */
export const sessionColumns = (
  server: DatabaseServer,
) => `a.datname AS database, a.pid, a.usename AS user,
  coalesce(nullif(a.application_name, ''),
    CASE WHEN a.backend_type = 'autovacuum worker' THEN left(a.query, 100) END) AS application, host(a.client_addr) AS address, a.state,
  coalesce(a.state_change, a.backend_start) AS since, coalesce(${mayEnd}, false) AS "mayEnd",
  CASE WHEN a.pid IN (SELECT pid FROM pg_stat_replication) THEN 'replication'
    WHEN coalesce(a.backend_type, 'client backend') = 'client backend' THEN 'client'
    ELSE 'worker' END AS kind,
  coalesce(a.client_addr = inet_client_addr() AND a.usesysid = me.oid
    AND a.application_name IN (${serverNames(server)}), false) AS "isAlike"`;

/** What the stack's servers call themselves, as SQL: nothing, or what the database's URI says. */
function serverNames(server: DatabaseServer): string {
  const isExternal = server.place === "external";
  const named = isExternal ? clientEnvironment(server.uri(server.name)).applicationName : "";
  return [...new Set(["", named.slice(0, longestName)])].map(quoteText).join(", ");
}

/** pg_stat_activity keeps 63 bytes (NAMEDATALEN - 1). */
const longestName = 63;

function sessionsOn(names: readonly string[]): string {
  return `FROM pg_stat_activity a JOIN pg_roles its ON its.oid = a.usesysid
    JOIN pg_roles me ON me.rolname = current_user
    WHERE a.datname IN (${names.map(quoteText).join(", ")}) AND a.pid <> pg_backend_pid()
    AND a.backend_type IS DISTINCT FROM 'parallel worker'`;
}
