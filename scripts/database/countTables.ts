import { Problem } from "../common/problem.ts";
import type { Database } from "./sql.ts";

/** Tables of people: not the system's, not an extension's, partitions as part of their table. */
export const tablesOfPeople = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass
    AND x.objid = c.oid AND x.deptype = 'e')`;

/** Lets a long transaction last, whatever limits the database or its roles are given. */
export const openSnapshot = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL row_security = off;
SELECT count(set_config(name, '0', true)) AS relaxed FROM pg_settings WHERE name IN
  ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') \\gset
`;

/** Counts all tables with one query, which the server writes itself, into psql's variable `rows`. */
export const countTablesScript = `SELECT coalesce('SELECT jsonb_object_agg(name, rows) AS rows FROM (' ||
  string_agg(format('SELECT %L AS name, count(*) AS rows FROM %s%I.%I',
    format('%I.%I', n.nspname, c.relname), CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END,
    n.nspname, c.relname), ' UNION ALL ') || ') counted',
  'SELECT ''{}'' AS rows') AS counting FROM ${tablesOfPeople} \\gset
:counting \\gset
`;

/**
 * The rows of every table at one moment, by its name as SQL writes it.
 * @throws Problem DATABASE_REFUSED
 */
export async function countTables(database: Database): Promise<Readonly<Record<string, number>>> {
  const { rows, state, message } = await database.ask(
    `${openSnapshot}${countTablesScript}\\echo :rows\nCOMMIT`,
  );
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", "the database cannot be counted", { details: [message] });
  }
  return JSON.parse(rows.map((row) => row.join("\u001f")).join("")) as Record<string, number>;
}
