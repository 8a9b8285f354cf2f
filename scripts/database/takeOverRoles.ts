import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { earlierPurposes, purposes } from "./databaseNames.ts";
import { quoteName, quoteText } from "./psqlClient.ts";
import { adminRole, rehearsalRole } from "./roles.ts";
import type { DatabaseServer } from "./sql.ts";

/** SQLSTATE of a lock that did not come within lock_timeout. */
const lockNotAvailable = "55P03";

const tableWaitMs = 30_000;
const pauseMs = 100;

/** Connections that the application leaves to the tool, to monitoring and to people. */
const leftFree = 7;

/** A temporary name: PostgreSQL renames neither the session's role nor the current one. */
const helper = "letta_setup";

/**
 * Separates the roles of a bundled database whose application is a superuser: the tool's own
 * role stays the superuser, the application's keeps its name, its password, its settings and its
 * objects and loses every other right. One transaction: all of it, or nothing. A server that runs
 * goes on: what it has open waits 50 ms for its tables at most, again and again for half a minute.
 * PostgreSQL lets the bootstrap role neither lose SUPERUSER nor have its objects reassigned, so
 * that one is renamed and the application's is made anew with the same verifier.
 * @param patienceMs for how long tables that another session has locked are waited for
 * @throws Problem DATABASE_REFUSED with nothing changed
 */
export async function takeOverRoles(
  server: DatabaseServer,
  patienceMs = tableWaitMs,
): Promise<void> {
  const { application } = await server.roles();
  const database = server.database();
  const input = await database.ask(
    `SELECT oid = 10 FROM pg_roles WHERE rolname = ${quoteText(application)}`,
  );
  const isBootstrap = input.rows[0]?.[0] === "t";
  const statement = isBootstrap
    ? renamed(server.name, application)
    : demoted(server.name, application);
  try {
    for (let waited = 0; ; waited += pauseMs) {
      const { state, message } = await database.ask(statement);
      if (state === "") return;
      if (state !== lockNotAvailable || waited >= patienceMs) throw refused(application, message);
      await sleep(pauseMs);
    }
  } finally {
    server.forgetRoles();
  }
}

/**
 * Gives the application's role every right back that takeOverRoles took from it. The tool's own
 * role stays.
 * @throws Problem DATABASE_REFUSED
 */
export async function giveRolesBack(server: DatabaseServer): Promise<void> {
  const { application } = await server.roles();
  const { state, message } = await server
    .database()
    .ask(
      `ALTER ROLE ${quoteName(application)} SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS CONNECTION LIMIT -1`,
    );
  server.forgetRoles();
  if (state !== "") throw refused(application, message);
}

function refused(application: string, message: string): Problem {
  return new Problem("DATABASE_REFUSED", `the rights of ${application} could not be changed`, {
    details: [message],
  });
}

const rights =
  "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT";

/** An error must not bring the verifier into the server's log. */
const begin = `BEGIN;
SET LOCAL lock_timeout = '50ms';
SET LOCAL log_error_verbosity = terse;
SET LOCAL client_min_messages = warning;`;

const most = `greatest(current_setting('max_connections')::int / 2,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0) - ${leftFree})`;

/** Sets the application's connection limit by what the database takes now. */
export function limitConnections(application: string): string {
  return `DO $limit$
BEGIN
  EXECUTE format('ALTER ROLE %I CONNECTION LIMIT %s', ${quoteText(application)}, ${most});
END $limit$;
`;
}

function renamed(name: string, application: string): string {
  const role = quoteText(application);
  const admin = quoteText(adminRole);
  return `${begin}
DROP ROLE IF EXISTS ${helper};
CREATE ROLE ${helper} SUPERUSER;
SET SESSION AUTHORIZATION ${helper};
DO $take$
DECLARE
  bootstrap oid := 10;
  verifier text := (SELECT rolpassword FROM pg_authid WHERE oid = 10);
  one record;
BEGIN
  EXECUTE format('ALTER ROLE %I RENAME TO %I', ${role}, ${admin});
  EXECUTE format('ALTER ROLE %I PASSWORD NULL CONNECTION LIMIT -1', ${admin});
  EXECUTE format('CREATE ROLE %I ${rights} %s', ${role}, ${most});
  BEGIN
    EXECUTE format('ALTER ROLE %I PASSWORD %L', ${role}, verifier);
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'the password could not be restored (%)', SQLSTATE;
  END;
  ${giveSettings("bootstrap", application, { after: `EXECUTE format('ALTER ROLE %I %s RESET %s', ${admin}, one.place, one.quoted);` })}
  FOR one IN SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
    WHERE m.member = bootstrap AND g.rolname !~ '^pg_'
  LOOP
    EXECUTE format('GRANT %I TO %I', one.rolname, ${role});
  END LOOP;
  FOR one IN SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member
    WHERE m.roleid = bootstrap
  LOOP
    EXECUTE format('GRANT %I TO %I', ${role}, one.rolname);
    EXECUTE format('REVOKE %I FROM %I', ${admin}, one.rolname);
  END LOOP;
  FOR one IN
    SELECT coalesce('IN SCHEMA ' || quote_ident(n.nspname), '') AS place, x.privilege_type,
      CASE a.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
        WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS objects,
      coalesce(quote_ident(g.rolname), 'PUBLIC') AS grantee
    FROM pg_default_acl a LEFT JOIN pg_namespace n ON n.oid = a.defaclnamespace,
      aclexplode(a.defaclacl) x LEFT JOIN pg_roles g ON g.oid = x.grantee
    WHERE a.defaclrole = bootstrap AND x.grantee <> bootstrap
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s GRANT %s ON %s TO %s',
      ${role}, one.place, one.privilege_type, one.objects, one.grantee);
  END LOOP;
END $take$;
${databasesOf(name, application)}
${giveObjects(application, [adminRole])};
RESET SESSION AUTHORIZATION;
DROP ROLE ${helper};
COMMIT`;
}

/** Where the superuser that made the cluster is another role, or the tool has its own already. */
function demoted(name: string, application: string): string {
  return `${begin}
DO $take$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteText(adminRole)}) THEN
    CREATE ROLE ${quoteName(adminRole)} SUPERUSER LOGIN;
  END IF;
END $take$;
${databasesOf(name, application)}
${giveObjects(application, [adminRole])};
DO $take$
BEGIN
  EXECUTE format('ALTER ROLE %I ${rights} %s', ${quoteText(application)}, ${most});
END $take$;
COMMIT`;
}

/** The endings of databases that this or an earlier version set aside or made for a while. */
const aside = [
  "drill",
  "making",
  ...purposes.filter((one) => one !== "live"),
  ...earlierPurposes,
].join("|");

/**
 * The application owns its database, and reaches no other. Roles that could connect to these
 * databases because everyone could keep that right by name.
 */
function databasesOf(name: string, application: string): string {
  const role = quoteText(application);
  return `DO $take$
DECLARE
  one record;
  other record;
BEGIN
  EXECUTE format('ALTER DATABASE %I OWNER TO %I', ${quoteText(name)}, ${role});
  FOR one IN SELECT oid, datname FROM pg_database WHERE datname IN ('postgres', 'template1', ${quoteText(name)})
  LOOP
    FOR other IN SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper
      AND rolname NOT IN (${role}, '${rehearsalRole}') AND has_database_privilege(oid, one.oid, 'CONNECT')
    LOOP
      EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', one.datname, other.rolname);
    END LOOP;
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', one.datname);
  END LOOP;
  FOR one IN SELECT datname FROM pg_database WHERE starts_with(datname, ${quoteText(`${name}_`)})
    AND substr(datname, ${name.length + 2}) ~ '^(${aside})(_.*)?$'
  LOOP
    EXECUTE format('ALTER DATABASE %I OWNER TO %I', one.datname, '${adminRole}');
    EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', one.datname);
  END LOOP;
END $take$;`;
}

/** The first object id that no part of Postgres itself has (FirstNormalObjectId, access/transam.h). */
const firstOwnObject = 16_384;

/**
 * SQL that makes one role the owner of everything in the current database that some others own.
 * What belongs to an extension stays with it; indexes, row types and the sequences of columns go
 * with their tables. REASSIGN OWNED is not used: it refuses the bootstrap role, and changes the
 * owners of other databases too.
 * @param from roles by name; one that does not exist owns nothing
 */
export function giveObjects(to: string, from: readonly string[]): string {
  const owners = from.filter((one) => one !== to).map(quoteText);
  return `DO $give$
DECLARE object record;
BEGIN
  FOR object IN
    WITH owned AS (
      SELECT 'pg_namespace'::regclass AS class, oid, nspowner AS owner FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
      UNION ALL SELECT 'pg_class'::regclass, c.oid, relowner FROM pg_class c
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
          AND d.objid = c.oid AND relkind = 'S' AND d.deptype IN ('a', 'i'))
      UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
      UNION ALL SELECT 'pg_type'::regclass, t.oid, typowner FROM pg_type t
        LEFT JOIN pg_class c ON c.oid = typrelid
        WHERE typtype <> 'm' AND coalesce(c.relkind, 'c') = 'c'
        AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
      UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
      UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily
      UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
      UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
      UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner FROM pg_conversion
      UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
      UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict
      UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
      UNION ALL SELECT 'pg_publication'::regclass, oid, pubowner FROM pg_publication
      UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner FROM pg_largeobject_metadata)
    SELECT i.type, i.identity FROM owned o JOIN pg_roles r ON r.oid = o.owner,
      pg_identify_object(o.class, o.oid, 0) i
    WHERE r.rolname IN (${owners.length === 0 ? "NULL" : owners.join(", ")})
      AND (o.oid >= ${firstOwnObject} OR i.type IN ('schema', 'large object'))
      AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('ALTER %s %s OWNER TO %I',
      CASE object.type WHEN 'statistics object' THEN 'STATISTICS' ELSE object.type END,
      object.identity, ${quoteText(to)});
  END LOOP;
END $give$`;
}

/**
 * Makes one role the owner of what a database holds, in one transaction.
 * @throws Problem DATABASE_REFUSED
 */
export async function giveDatabase(
  server: DatabaseServer,
  name: string,
  to: string,
  from: readonly string[],
): Promise<void> {
  const { state, message } = await server.database(name).ask(giveObjects(to, from));
  if (state === "") return;
  throw new Problem("DATABASE_REFUSED", `the objects of ${name} could not be given to ${to}`, {
    details: [message],
  });
}

/** Settings that are lists are written as they stand, as pg_dump does it. */
const lists = [
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
];

/**
 * SQL for a PL/pgSQL block with a variable `one record`: gives a role the settings that another one
 * has (`ALTER ROLE … SET`).
 * @param from its oid, as SQL
 * @param name what "$user" in a search_path is to mean
 * @param where which rows `s` of pg_db_role_setting
 * @param after a statement for each of them, with `one.place` and `one.quoted`
 */
export function giveSettings(
  from: string,
  to: string,
  { name, where = "true", after = "" }: { name?: string; where?: string; after?: string } = {},
): string {
  const value = "substr(entry, strpos(entry, '=') + 1)";
  const meant =
    name === undefined ? value : `replace(${value}, '"$user"', quote_ident(${quoteText(name)}))`;
  return `FOR one IN
    SELECT coalesce('IN DATABASE ' || quote_ident(d.datname), '') AS place, setting.name,
      (SELECT string_agg(quote_ident(part), '.') FROM unnest(string_to_array(setting.name, '.')) part) AS quoted,
      ${meant} AS value
    FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
      unnest(s.setconfig) entry, LATERAL (SELECT split_part(entry, '=', 1) AS name) setting
    WHERE s.setrole = ${from} AND ${where}
  LOOP
    EXECUTE format('ALTER ROLE %I %s SET %s TO %s', ${quoteText(to)}, one.place, one.quoted,
      CASE WHEN one.name IN (${lists.map(quoteText).join(", ")}) THEN one.value ELSE quote_literal(one.value) END);
    ${after}
  END LOOP;`;
}
