import { quoteText } from "./quote.ts";

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
