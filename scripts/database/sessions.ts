import { askRows } from "./askRows.ts";
import { makingName } from "./databaseNames.ts";
import { clientEnvironment, quoteText } from "./psqlClient.ts";
import { applicationName, type DatabaseServer, isLeftover, maintenance } from "./sql.ts";

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

/** What else uses a database that has to be alone for a moment. */
interface OtherUses {
  readonly sessions: readonly Session[];
  /** Logical replication slots: they stay with a database that is renamed. */
  readonly slots: readonly { readonly name: string; readonly plugin: string | null }[];
  /** Prepared transactions count as sessions, and end by a person's decision alone. */
  readonly prepared: readonly {
    readonly gid: string;
    readonly owner: string;
    readonly since: string;
  }[];
  /**
   * Where a bundled database was made with another version of the system's collations than its
   * image has now; Postgres copies no such database (createdb, commands/dbcommands.c).
   */
  readonly collation?: { readonly made: string; readonly now: string | null } | null;
}

/**
 * The sessions of a database other than the stack's own server and this tool.
 * @param own the addresses of the stack's servers
 * @throws Problem DATABASE_REFUSED
 */
export async function otherSessions(
  server: DatabaseServer,
  own: readonly string[],
): Promise<OtherUses> {
  const all = await sessions(server, [server.name]);
  const [named] = await askRows<Omit<OtherUses, "sessions">>(
    await maintenance(server, [server.name]),
    `SELECT
      (SELECT coalesce(jsonb_agg(jsonb_build_object('name', slot_name, 'plugin', plugin)), '[]')
        FROM pg_replication_slots WHERE database = ${quoteText(server.name)}) AS slots,
      (SELECT coalesce(jsonb_agg(jsonb_build_object('gid', gid, 'owner', owner, 'since', prepared)), '[]')
        FROM pg_prepared_xacts WHERE database = ${quoteText(server.name)}) AS prepared
      ${server.place === "bundled" ? otherCollation(server.name) : ""}`,
    `the replication slots and prepared transactions of ${server.name}`,
  );
  return { ...named!, sessions: all.filter((one) => !isOwn(one, own)) };
}

/** Postgres has reported it since 15; a query of text is parsed only where it is run. */
function otherCollation(name: string): string {
  const input =
    "query_to_xml(format('SELECT pg_database_collation_actual_version(%s) AS now', oid), true, true, '')";
  const now = `CASE WHEN current_setting('server_version_num')::int >= 150000
    THEN (xpath('/row/now/text()', ${input}))[1]::text END`;
  return `, (SELECT jsonb_build_object('made', made, 'now', now) FROM (
    SELECT to_jsonb(d) ->> 'datcollversion' AS made, ${now} AS now FROM pg_database d
      WHERE datname = ${quoteText(name)}) versions
    WHERE made IS NOT NULL AND made IS DISTINCT FROM now) AS collation`;
}

/**
 * Whether a session is the stack's server's, or this tool's.
 * @param own the addresses of the stack's servers
 */
export function isOwn(session: Session, own: readonly string[]): boolean {
  const { address, application, isAlike } = session;
  return (
    application?.startsWith(applicationName) ||
    isAlike ||
    (address !== null && own.includes(address))
  );
}

function collationText({ made, now }: NonNullable<OtherUses["collation"]>): string {
  // REFRESH refuses a locale that has no version (AlterDatabaseRefreshColl, commands/dbcommands.c).
  const set =
    now === null
      ? "UPDATE pg_database SET datcollversion = NULL WHERE datname = the database's name"
      : "ALTER DATABASE … REFRESH COLLATION VERSION";
  return `collation version ${made}, the image has ${now ?? "none"}: REINDEX DATABASE, then ${set}`;
}

/** What keeps a database from being copied, and no run can end; each with its cure. */
export function unendable({ sessions: all, slots, prepared, collation }: OtherUses): string[] {
  return [
    ...(collation ? [collationText(collation)] : []),
    ...all
      .filter((one) => one.kind === "replication")
      .map((one) => `${sessionText(one)}: stop its consumer`),
    ...slots.map(
      ({ name, plugin }) =>
        `replication slot ${name} (${plugin ?? "no plugin"}): stop its consumer, then SELECT pg_drop_replication_slot('${name}')`,
    ),
    ...prepared.map(
      ({ gid, owner, since }) =>
        `prepared transaction ${gid} of ${owner} since ${since}: COMMIT PREPARED or ROLLBACK PREPARED`,
    ),
    ...all
      .filter((one) => one.kind === "worker")
      .map((one) => `${sessionText(one)}: disable its extension for this database`),
    ...all
      .filter((one) => one.kind === "client" && !one.mayEnd)
      .map(
        (one) =>
          `${sessionText(one)}: disconnect it, or grant pg_signal_backend to the tool's role`,
      ),
  ];
}

/**
 * Ends the sessions that killed runs of this host have left on the live database, and what they still
 * copy: both go on in the server without their client, and are in the way of copies and migrations.
 * @returns how many
 * @throws Problem DATABASE_REFUSED
 */
export async function endLeftovers(server: DatabaseServer, installation: string): Promise<number> {
  const making = makingName(server.name, installation);
  const database = await maintenance(server, [server.name]);
  const found = await askRows<{ pid: number; application: string }>(
    database,
    `SELECT pid, application_name AS application FROM pg_stat_activity
      WHERE application_name LIKE ${quoteText(`${applicationName} %`)} AND pid <> pg_backend_pid()
      AND (datname = ${quoteText(server.name)} OR query LIKE ${quoteText(`%${making}%`)})`,
    `the sessions that killed runs left on ${server.name}`,
  );
  const left = found.filter(({ application }) => isLeftover(application));
  if (left.length === 0) return 0;
  const pids = left.map(({ pid }) => pid).join(", ");
  await database.ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE pid IN (${pids}) AND application_name LIKE ${quoteText(`${applicationName} %`)}`,
  );
  return left.length;
}
