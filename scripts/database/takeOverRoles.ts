import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { giveObjects } from "./giveObjects.ts";
import { giveSettings } from "./giveSettings.ts";
import { quoteName, quoteText } from "./quote.ts";
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
    AND substr(datname, ${name.length + 2}) ~ '^(rehearsal|drill|verification|retained|snapshot|incoming|making)(_.*)?$'
  LOOP
    EXECUTE format('ALTER DATABASE %I OWNER TO %I', one.datname, '${adminRole}');
    EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', one.datname);
  END LOOP;
END $take$;`;
}
