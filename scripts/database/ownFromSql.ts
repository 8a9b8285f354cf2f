import {
  localeClause,
  ownStatements,
  privileges,
  type DatabaseLocale,
  type DatabaseOwn,
} from "./databaseOwn.ts";
import { quoteName } from "./quote.ts";

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
