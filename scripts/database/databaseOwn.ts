import { quoteName, quoteText } from "./quote.ts";

/**
 * What belongs to a database itself and not to anything in it: neither pg_dump nor a copy of
 * it carries that along. As SQL, in which psql's variable `:"database"` is its name.
 */
export interface DatabaseOwn {
  /** One statement each: `ALTER DATABASE … SET`, `GRANT CONNECT …`. */
  readonly settings: readonly string[];
  /** The clause of CREATE DATABASE for encoding and order of letters. */
  readonly locale: string;
}

/** What databaseOwnQuery answers. */
export interface RawDatabaseOwn {
  /** `ALTER DATABASE … SET`; of one role only where it is named. */
  readonly settings: readonly { readonly role: string | null; readonly setting: string }[];
  /** Who may connect and so on; null where nobody ever said. A role of null is PUBLIC. */
  readonly grants:
    | readonly {
        readonly role: string | null;
        readonly privilege: string;
        readonly grantable: boolean;
      }[]
    | null;
  readonly locale: RawLocale;
}

interface RawLocale {
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** c, i (ICU) or b (builtin); null before Postgres 15. */
  readonly provider: string | null;
  /** What ICU or the builtin provider goes by. */
  readonly locale: string | null;
}

/** An expression that reads it as JSON, in any database of the server. */
export function databaseOwnQuery(name: string): string {
  return `(SELECT jsonb_build_object(
    'settings', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', r.rolname, 'setting', one)), '[]')
      FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) one
      WHERE s.setdatabase = d.oid),
    'grants', CASE WHEN d.datacl IS NOT NULL THEN
      (SELECT coalesce(jsonb_agg(jsonb_build_object('role', r.rolname, 'privilege', a.privilege_type,
        'grantable', a.is_grantable)), '[]')
        FROM aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) END,
    'locale', jsonb_build_object('encoding', pg_encoding_to_char(d.encoding),
      'collate', d.datcollate, 'ctype', d.datctype, 'provider', to_jsonb(d) ->> 'datlocprovider',
      'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')))
    FROM pg_database d WHERE d.datname = ${name})`;
}

/** Settings that are lists of names: each of them is quoted on its own, as pg_dump does it. */
const lists = [
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
];

/** The answer as SQL for a database of any name. */
export function databaseOwn({ settings, grants, locale }: RawDatabaseOwn): DatabaseOwn {
  const set = settings.map(({ role, setting }) => {
    const [variable = ""] = setting.split("=", 1);
    const value = setting.slice(variable.length + 1);
    const whose = role === null ? "" : `ROLE ${quoteName(role)} IN `;
    const values = lists.includes(variable.toLowerCase()) ? listed(value) : [value];
    // The dot of my.setting stands between two names.
    const name = variable.split(".").map(quoteName).join(".");
    return `ALTER ${whose}DATABASE :"database" SET ${name} TO ${values.map(quoteText).join(", ")}`;
  });
  const granted = (grants ?? []).map(({ role, privilege, grantable }) => {
    const to = role === null ? "PUBLIC" : quoteName(role);
    const further = grantable ? " WITH GRANT OPTION" : "";
    return `GRANT ${privilege} ON DATABASE :"database" TO ${to}${further}`;
  });
  const afresh = grants === null ? [] : [`REVOKE ALL ON DATABASE :"database" FROM PUBLIC`];
  return { settings: [...set, ...afresh, ...granted], locale: localeClause(locale) };
}

/** The statements for one database, in a transaction. */
export function applyOwn(name: string, settings: readonly string[]): string {
  const named = `SELECT ${quoteText(name)} AS database \\gset`;
  return [named, "BEGIN;", ...settings.map((one) => `${one};`), "COMMIT;"].join("\n");
}

function localeClause({ encoding, collate, ctype, provider, locale }: RawLocale): string {
  const classic = `ENCODING ${quoteText(encoding)} LC_COLLATE ${quoteText(collate)} LC_CTYPE ${quoteText(ctype)}`;
  if (locale === null) return classic;
  if (provider === "i") return `${classic} LOCALE_PROVIDER icu ICU_LOCALE ${quoteText(locale)}`;
  if (provider === "b") {
    return `${classic} LOCALE_PROVIDER builtin BUILTIN_LOCALE ${quoteText(locale)}`;
  }
  return classic;
}

/** Takes `"$user", public` apart. */
function listed(value: string): string[] {
  return [...value.matchAll(/"((?:[^"]|"")*)"|([^",\s]+)/gu)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}
