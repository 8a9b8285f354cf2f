import assert from "node:assert/strict";
import test from "node:test";
import {
  applyOwn,
  localeClause,
  ownFromSql,
  ownStatements,
} from "../../scripts/database/databaseOwn.ts";

const locale = {
  encoding: "UTF8",
  collate: "C.UTF-8",
  ctype: "C.UTF-8",
  provider: "c",
  locale: null,
};
const raw = { settings: [], grants: null, locale, connectionLimit: -1, owner: "letta" };
const statement = (setting: string, role: string | null = null) =>
  ownStatements({ ...raw, settings: [{ role, setting }] })[0];

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

test("a database that no one said a word about keeps Postgres' own grants", () => {
  assert.deepEqual(ownStatements(raw), []);
  assert.deepEqual(ownStatements({ ...raw, grants: [] }), [
    'REVOKE ALL ON DATABASE :"database" FROM PUBLIC',
  ]);
});

test("ICU's and the builtin provider's locales are asked for by their own words", () => {
  const of = (provider: string, name: string) =>
    localeClause({ ...locale, provider, locale: name });
  assert.match(of("i", "de-AT"), /LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'$/);
  assert.match(of("b", "C.UTF-8"), /LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'$/);
});

test("ICU's own rules are asked for besides its locale", () => {
  const icu = { ...locale, provider: "i", locale: "de", rules: "&a < 'g'" };
  assert.match(localeClause(icu), /ICU_LOCALE 'de' ICU_RULES '&a < ''g'''$/);
});

test("a limit of connections and the owner come last, the owner only where the role is there", () => {
  const own = { ...raw, connectionLimit: 7, owner: "o'dd" };
  const lines = applyOwn("letta_incoming_000002", own).split("\n");
  assert.ok(lines.includes('ALTER DATABASE :"database" CONNECTION LIMIT 7;'));
  assert.match(
    lines.slice(-3).join(" "),
    /FROM pg_roles WHERE rolname = 'o''dd' AND .* \\gexec COMMIT;$/,
  );
  assert.doesNotMatch(applyOwn("letta", raw), /LIMIT/);
});

const full = {
  settings: [
    { role: null, setting: `search_path="$user", "public", "a""b"` },
    { role: 'o\'dd "x"', setting: "my.one=a=b'; DROP" },
    { role: null, setting: "work_mem=5\\MB" },
    { role: null, setting: "datestyle=SQL, DMY" },
  ],
  grants: [
    { role: null, privilege: "CONNECT", grantable: false },
    { role: "o'dd", privilege: "CREATE", grantable: true },
  ],
  locale: { ...locale, rules: null },
} as const;

test("what backups of format 1 retained as SQL is taken apart, and comes out the same", () => {
  const icu = {
    ...full,
    locale: { ...full.locale, provider: "i", locale: "de", rules: "&a < 'g'" },
  };
  for (const own of [full, icu, { ...full, grants: [] }, { ...full, settings: [], grants: null }])
    assert.deepEqual(ownFromSql(ownStatements(own), localeClause(own.locale)), own);
});

test("SQL that this tool did not write is not taken for it, whatever it hides in", () => {
  const clause = localeClause(locale);
  const [setting = ""] = ownStatements(full);
  for (const statement of [
    "\\! id > /tmp/pwned",
    `${setting}; DROP DATABASE letta`,
    `${setting}\n\\! id`,
    setting.replace("'public'", "'public' || pg_read_file('x')"),
    'GRANT ALL ON DATABASE :"database" TO PUBLIC',
    'GRANT CONNECT ON DATABASE :"database" TO PUBLIC; DROP TABLE x',
  ])
    assert.equal(ownFromSql([statement], clause), undefined, statement);
  for (const other of [`${clause}\n;\\! id`, `${clause} OWNER postgres`, "", "\\! id"])
    assert.equal(ownFromSql([], other), undefined, other);
});
