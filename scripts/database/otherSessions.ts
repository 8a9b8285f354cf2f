import { askRows } from "./askRows.ts";
import { maintenance } from "./maintenance.ts";
import { quoteText } from "./quote.ts";
import { sessions, sessionText, type Session } from "./sessions.ts";
import { applicationName, type DatabaseServer } from "./sql.ts";

/** What else uses a database that has to be alone for a moment. */
export interface OtherUses {
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
