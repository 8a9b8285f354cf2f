import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { quoteText } from "./psqlClient.ts";
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

/**
 * Counts all tables with one query, which the server writes itself, into psql's variable `rows`.
 * @param schema the only one whose tables are counted: of others' the role may read none
 */
export const countTablesIn = (
  schema?: string,
) => `SELECT coalesce('SELECT jsonb_object_agg(name, rows) AS rows FROM (' ||
  string_agg(format('SELECT %L AS name, count(*) AS rows FROM %s%I.%I',
    format('%I.%I', n.nspname, c.relname), CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END,
    n.nspname, c.relname), ' UNION ALL ') || ') counted',
  'SELECT ''{}'' AS rows') AS counting FROM ${tablesOfPeople}${
    schema === undefined ? "" : ` AND n.nspname = ${quoteText(schema)}`
  } \\gset
:counting \\gset
`;

export const countTablesScript = countTablesIn();

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

/** The rows of one table, counted where that is quick. */
export interface TableRows {
  /** By its name as SQL writes it. */
  readonly table: string;
  /** Null where Postgres has neither counted nor analyzed a table that is too large to count. */
  readonly rows: number | null;
  readonly isEstimate: boolean;
}

/** Tables up to this size are counted: a few hundredths of a second each. */
const countedBytes = 16e6;

/**
 * What Postgres knows of a relation's rows without reading them: its own running count, else what the last
 * ANALYZE found, scaled to the present size as its planner does.
 */
const knownRows = `CASE WHEN pg_relation_size(leaf.oid) = 0 THEN 0
  WHEN pg_stat_get_live_tuples(leaf.oid) > 0 THEN pg_stat_get_live_tuples(leaf.oid)
  WHEN leaf.reltuples > 0 AND leaf.relpages > 0 THEN round(leaf.reltuples::numeric
    * (pg_relation_size(leaf.oid) / current_setting('block_size')::numeric) / leaf.relpages)::bigint END`;

/** One query over all tables, which the server writes itself, into psql's variable `counting`. */
const estimateScript = `SELECT coalesce(string_agg(CASE WHEN bytes <= ${countedBytes}
    THEN format('SELECT %L AS table, count(*) AS rows, false AS "isEstimate" FROM %s%I.%I',
      name, CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, nspname, relname)
    ELSE format('SELECT %L AS table, %s::bigint AS rows, true AS "isEstimate"', name, coalesce(known::text, 'NULL'))
  END, ' UNION ALL '), 'SELECT NULL AS table WHERE false') AS counting
FROM (SELECT t.nspname, t.relname, t.relkind, format('%I.%I', t.nspname, t.relname) AS name,
    sum(pg_relation_size(leaf.oid)) AS bytes,
    CASE WHEN bool_and(${knownRows} IS NOT NULL) THEN sum(${knownRows}) END AS known
  FROM (SELECT c.oid, c.relname, c.relkind, n.nspname FROM ${tablesOfPeople}) t
  CROSS JOIN LATERAL (SELECT t.oid AS relid UNION SELECT relid FROM pg_partition_tree(t.oid)) part
  JOIN pg_class leaf ON leaf.oid = part.relid AND (leaf.relkind <> 'p' OR leaf.oid = t.oid)
  GROUP BY t.nspname, t.relname, t.relkind) tables \\gset
`;

/**
 * The rows of every table within seconds, whatever their size: small ones counted, large ones as Postgres
 * estimates them.
 * @throws Problem DATABASE_REFUSED, also after five seconds, as when a table is locked
 */
export async function estimateTables(database: Database): Promise<readonly TableRows[]> {
  const limits = "SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '2s';";
  return askRows<TableRows>(
    database,
    ":counting",
    "how many rows it has",
    `${openSnapshot}${limits}\n${estimateScript}`,
  );
}
