import { quoteName, quoteText } from "./psqlClient.ts";

/**
 * What belongs to a database itself and not to anything in it: neither pg_dump nor a copy of
 * it carries that along. Data, as databaseOwnQuery answers it: SQL is made of it where it is applied.
 */
export interface DatabaseOwn {
  /** `ALTER DATABASE … SET`, as "name=value"; of one role only where it is named. */
  readonly settings: readonly { readonly role: string | null; readonly setting: string }[];
  /** What roles other than its owner may do; null where that was never changed. A role of null is PUBLIC. */
  readonly grants:
    | readonly {
        readonly role: string | null;
        readonly privilege: Privilege;
        readonly grantable: boolean;
      }[]
    | null;
  readonly locale: DatabaseLocale;
  /** How many may be connected at once (`pg_database.datconnlimit`): -1, or left out, for no limit. */
  readonly connectionLimit?: number | undefined;
  /** The role that owns it; left out in what was written before it was read. */
  readonly owner?: string | undefined;
}

/** What can be granted on a database. */
export const privileges = ["CONNECT", "CREATE", "TEMPORARY"] as const;
type Privilege = (typeof privileges)[number];

/** Encoding and order of letters. */
export interface DatabaseLocale {
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** c, i (ICU) or b (builtin); null before Postgres 15. */
  readonly provider: string | null;
  /** What ICU or the builtin provider goes by. */
  readonly locale: string | null;
  /** ICU's own rules on top of its locale; from Postgres 16. */
  readonly rules?: string | null | undefined;
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
        FROM aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE a.grantee <> d.datdba) END,
    'locale', jsonb_build_object('encoding', pg_encoding_to_char(d.encoding),
      'collate', d.datcollate, 'ctype', d.datctype, 'provider', to_jsonb(d) ->> 'datlocprovider',
      'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
      'rules', to_jsonb(d) ->> 'daticurules'),
    'connectionLimit', d.datconnlimit, 'owner', pg_get_userbyid(d.datdba))
    FROM pg_database d WHERE d.datname = ${name})`;
}

/** Settings that are lists of names: each of them is quoted on its own, as pg_dump does it. */
const lists = [
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
];

/** One statement each, in which psql's variable `:"database"` is the database's name. */
export function ownStatements({
  settings,
  grants,
}: Pick<DatabaseOwn, "settings" | "grants">): string[] {
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
  return [...set, ...afresh, ...granted];
}

/** The statements for one database, in a transaction. */
export function applyOwn(
  name: string,
  { connectionLimit = -1, owner, ...own }: Omit<DatabaseOwn, "locale">,
): string {
  const limit =
    connectionLimit < 0 ? [] : [`ALTER DATABASE :"database" CONNECTION LIMIT ${connectionLimit};`];
  // Another machine need not have the role, nor may every role give a database away: then it stays its maker's.
  const owned =
    owner === undefined
      ? []
      : [
          `SELECT format('ALTER DATABASE %I OWNER TO %I', :'database', rolname) FROM pg_roles
WHERE rolname = ${quoteText(owner)} AND pg_has_role(oid, 'MEMBER') \\gexec`,
        ];
  return [
    `SELECT ${quoteText(name)} AS database \\gset`,
    "BEGIN;",
    ...ownStatements(own).map((one) => `${one};`),
    ...limit,
    ...owned,
    "COMMIT;",
  ].join("\n");
}

/** The clause of CREATE DATABASE for encoding and order of letters. */
export function localeClause(own: DatabaseLocale): string {
  const { encoding, collate, ctype, provider, locale, rules } = own;
  const classic = `ENCODING ${quoteText(encoding)} LC_COLLATE ${quoteText(collate)} LC_CTYPE ${quoteText(ctype)}`;
  if (locale === null) return classic;
  if (provider === "i") {
    const icu = `${classic} LOCALE_PROVIDER icu ICU_LOCALE ${quoteText(locale)}`;
    return rules ? `${icu} ICU_RULES ${quoteText(rules)}` : icu;
  }
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

const name = /"((?:[^"]|"")*)"/gu;
const text = /(?: E)?'((?:[^']|'')*)'/gu;
const unquoted = (quoted: string) => quoted.replaceAll('""', '"');
const words = (all: string) =>
  [...all.matchAll(text)].map(([whole, quoted = ""]) => {
    const plain = quoted.replaceAll("''", "'");
    return whole.startsWith(" E") ? plain.replaceAll("\\\\", "\\") : plain;
  });

/**
 * What a database owned, out of the SQL in which backups of format 1 stored it. It is taken apart and made
 * again: only where that gives the very same text is it what this tool wrote, and none of the text is run.
 * @returns undefined where it is anything else
 */
export function ownFromSql(
  statements: readonly string[],
  locale: string,
): Pick<DatabaseOwn, "settings" | "grants" | "locale"> | undefined {
  const settings = statements.flatMap((one) => settingOf(one) ?? []);
  const granted = statements.flatMap((one) => grantOf(one) ?? []);
  const isGranted = statements.some((one) => one.startsWith("REVOKE "));
  const own = { settings, grants: isGranted ? granted : null, locale: localeOf(locale) };
  const isSame =
    JSON.stringify(ownStatements(own)) === JSON.stringify(statements) &&
    localeClause(own.locale) === locale;
  return isSame ? own : undefined;
}

function settingOf(statement: string): DatabaseOwn["settings"][number] | undefined {
  const [, whose, variable = "", value = ""] =
    /^ALTER (ROLE "(?:[^"]|"")*" IN )?DATABASE :"database" SET ("[^']*?") TO (.*)$/su.exec(
      statement,
    ) ?? [];
  if (variable === "") return undefined;
  const role = whose === undefined ? null : unquoted(/"(.*)"/su.exec(whose)![1]!);
  const path = [...variable.matchAll(name)].map(([, part = ""]) => unquoted(part)).join(".");
  const values = words(value);
  // Of a list each name was quoted on its own.
  const isList = ownStatements({ settings: [{ role, setting: `${path}=a,b` }], grants: null })
    .join()
    .endsWith("'a', 'b'");
  return { role, setting: `${path}=${isList ? values.map(quoteName).join(", ") : values.join()}` };
}

function grantOf(statement: string): NonNullable<DatabaseOwn["grants"]>[number] | undefined {
  const [, granted, to = "", further] =
    /^GRANT (\w+) ON DATABASE :"database" TO (PUBLIC|"(?:[^"]|"")*")( WITH GRANT OPTION)?$/u.exec(
      statement,
    ) ?? [];
  const privilege = privileges.find((one) => one === granted);
  if (privilege === undefined) return undefined;
  const role = to === "PUBLIC" ? null : unquoted(to.slice(1, -1));
  return { role, privilege, grantable: further !== undefined };
}

function localeOf(clause: string): DatabaseLocale {
  const [encoding = "", collate = "", ctype = "", locale = null, rules = null] = words(clause);
  const provider = clause.includes(" LOCALE_PROVIDER icu ")
    ? "i"
    : clause.includes(" LOCALE_PROVIDER builtin ")
      ? "b"
      : "c";
  return { encoding, collate, ctype, provider, locale, rules };
}
