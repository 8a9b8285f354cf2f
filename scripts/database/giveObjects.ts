import { Problem } from "../common/problem.ts";
import { quoteText } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

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
