import type { DatabaseOwn } from "./databaseOwn.ts";
import { quoteName, quoteText } from "./psqlClient.ts";

/** The tool's own role in a bundled database: a superuser without a password, for its socket alone. */
export const adminRole = "letta_admin";

/** Whom servers of a rehearsal log in as: reaches the copy it was admitted to, and nothing else. */
export const rehearsalRole = "letta_rehearsal";

/** Who is who on a database server. */
export interface Roles {
  /** Whom the server logs in as. */
  readonly application: string;
  /** Whose the tool's own sessions are. */
  readonly tool: string;
  /**
   * `separate`: the tool has a role of its own, and the application's is no superuser.
   * `superuser`: the application's role can do everything, as earlier versions made it.
   * `owner`: the tool can do no more than the application's role, as with a database outside.
   */
  readonly kind: "separate" | "superuser" | "owner";
}

/** Whether the tool can make roles, change owners and keep the application out of a database. */
export function isAdministered({ kind }: Roles): boolean {
  return kind !== "owner";
}

/** The roles whose objects may have to be given to another one. */
export function givers({ application, tool }: Roles): string[] {
  return [application, tool, rehearsalRole];
}

/**
 * The clause of CREATE DATABASE for one that the application may not connect to: connections of
 * superusers do not count (InitPostgres, utils/init/postinit.c), and its settings and grants stay
 * as they are.
 */
export function closedTo(roles: Roles): string {
  return isAdministered(roles) ? " CONNECTION LIMIT 0" : "";
}

/** What a copy takes over of a database: it stays closed, and the tool's, until it becomes live. */
export function ownClosed(
  roles: Roles,
  own: Omit<DatabaseOwn, "locale">,
): Omit<DatabaseOwn, "locale"> {
  const { connectionLimit: _limit, owner: _owner, ...others } = own;
  return isAdministered(roles) ? others : own;
}

/**
 * What goes with renamed databases, in their transaction: what becomes live belongs to the
 * application and has the connection limit of the one before it, what was live belongs to the tool
 * and takes no connections but the tool's.
 * @param names what each was called, and is called from now on; the live database is `live`
 */
export function handedOver(
  { application, tool }: Roles,
  live: string,
  names: readonly { readonly from: string; readonly name: string }[],
): { readonly before: readonly string[]; readonly after: readonly string[] } {
  const limit = `SELECT coalesce(max(datconnlimit), -1) AS "limit" FROM pg_catalog.pg_database
WHERE datname = ${quoteText(live)} \\gset`;
  const after = names.flatMap(({ from, name: to }) => {
    const name = quoteName(to);
    const given = (owner: string, most: string) => [
      `ALTER DATABASE ${name} OWNER TO ${quoteName(owner)};`,
      `ALTER DATABASE ${name} CONNECTION LIMIT ${most};`,
    ];
    if (to === live) return given(application, ":limit");
    return from === live ? given(tool, "0") : [];
  });
  return { before: [limit], after };
}
