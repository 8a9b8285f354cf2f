import assert from "node:assert/strict";
import test from "node:test";
import { databaseOwn } from "../../scripts/database/databaseOwn.ts";

const locale = {
  encoding: "UTF8",
  collate: "C.UTF-8",
  ctype: "C.UTF-8",
  provider: "c",
  locale: null,
};
const statement = (setting: string, role: string | null = null) =>
  databaseOwn({ settings: [{ role, setting }], grants: null, locale }).settings[0];

test("a list of names is quoted name by name, any other value as a whole", () => {
  const start = 'ALTER DATABASE :"database" SET';
  assert.equal(
    statement(`search_path="$user", letta, "a,""b"`),
    `${start} "search_path" TO '$user', 'letta', 'a,"b'`,
  );
  assert.equal(statement('search_path=""'), `${start} "search_path" TO ''`);
  assert.equal(statement("datestyle=SQL, DMY"), `${start} "datestyle" TO 'SQL, DMY'`);
  assert.equal(statement("my.one=a=b'; DROP"), `${start} "my"."one" TO 'a=b''; DROP'`);
});

test("what is set for one role within the database stays that role's", () => {
  assert.match(
    statement("work_mem=5MB", "o'dd")!,
    /^ALTER ROLE "o'dd" IN DATABASE :"database" SET/,
  );
});

test("a database that nobody said a word about keeps Postgres' own grants", () => {
  assert.deepEqual(databaseOwn({ settings: [], grants: null, locale }).settings, []);
  assert.deepEqual(databaseOwn({ settings: [], grants: [], locale }).settings, [
    'REVOKE ALL ON DATABASE :"database" FROM PUBLIC',
  ]);
});

test("ICU's and the builtin provider's locales are asked for by their own words", () => {
  const of = (provider: string, name: string) =>
    databaseOwn({ settings: [], grants: null, locale: { ...locale, provider, locale: name } })
      .locale;
  assert.match(of("i", "de-AT"), /LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'$/);
  assert.match(of("b", "C.UTF-8"), /LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'$/);
});
