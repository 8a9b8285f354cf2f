import { Problem } from "../common/problem.ts";
import { giveObjects, giveSettings } from "./takeOverRoles.ts";
import { quoteName, quoteText } from "./psqlClient.ts";
import { givers, isAdministered, rehearsalRole } from "./roles.ts";
import { scramVerifier } from "./scramVerifier.ts";
import type { DatabaseServer } from "./sql.ts";

/** Two servers that boot side by side and a migration need no more. */
const mostConnections = 30;

/**
 * Gives a copy of the database to the role that servers of a rehearsal log in as: it owns that copy
 * as the application owns the live one, and reaches no other.
 * @param randomBytes for a password that is used by this rehearsal alone
 * @returns the copy's address, with the password in it
 * @throws Problem DATABASE_REFUSED
 */
export async function admitRehearsal(
  server: DatabaseServer,
  copy: string,
  randomBytes: (count: number) => Buffer,
): Promise<string> {
  const roles = await server.roles();
  if (!isAdministered(roles)) return server.uri(copy);
  const password = randomBytes(24).toString("hex");
  const verifier = scramVerifier(password, randomBytes(16));
  const name = quoteName(copy);
  const { state, message } = await server.database(copy).ask(`BEGIN;
SELECT 'CREATE ROLE ${rehearsalRole}' WHERE NOT EXISTS
  (SELECT FROM pg_catalog.pg_roles WHERE rolname = '${rehearsalRole}') \\gexec
ALTER ROLE ${rehearsalRole} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT ${mostConnections} PASSWORD ${quoteText(verifier)};
ALTER DATABASE ${name} OWNER TO ${rehearsalRole};
REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC, ${quoteName(roles.application)};
ALTER DATABASE ${name} CONNECTION LIMIT -1;
${giveObjects(rehearsalRole, givers(roles))};
${loadSettings(roles.application, copy)};
COMMIT`);
  if (state === "") return server.uri(copy, { user: rehearsalRole, password });
  throw new Problem("DATABASE_REFUSED", `${copy} could not be given to a rehearsal`, {
    details: [message],
  });
}

/**
 * The application's own settings, and where it finds its tables: without any search_path a role looks
 * into a schema of its name first ("$user").
 */
function loadSettings(application: string, copy: string): string {
  const role = quoteText(application);
  const where = `(s.setdatabase = 0 OR d.datname = ${quoteText(copy)})`;
  return `ALTER ROLE ${rehearsalRole} RESET ALL;
ALTER ROLE ${rehearsalRole} IN DATABASE ${quoteName(copy)} RESET ALL;
DO $settings$
DECLARE one record;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${role}) AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
      unnest(s.setconfig) entry
    WHERE d.datname = ${quoteText(copy)} AND s.setrole = 0 AND entry LIKE 'search_path=%')
  THEN
    EXECUTE format('ALTER ROLE ${rehearsalRole} SET search_path TO %I, public', ${role});
  END IF;
  ${giveSettings(`(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ${role})`, rehearsalRole, { name: application, where })}
END $settings$`;
}
