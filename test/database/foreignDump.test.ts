import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { openForeignDump, scanScript, schemasIn } from "../../scripts/database/foreignDump.ts";
import { folder } from "../state/folder.ts";

const end = "--\n-- PostgreSQL database dump complete\n--\n";
const scan = (text: string) => scanScript(Readable.from([text]));

test("the roles that a dump names are found: owners, grants, default privileges", async () => {
  const text = `ALTER TABLE public.agents OWNER TO letta;
GRANT ALL ON SCHEMA public TO "Some One";
REVOKE ALL ON TABLE public.agents FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA public GRANT ALL ON TABLES TO reader;
COPY public.agents (id, name) FROM stdin;
1\tOWNER TO another;
\\.
${end}`;
  assert.deepEqual(await scan(text), ["letta", "Some One", "supabase_admin"]);
});

test("a command of psql is refused wherever it stands, but not in rows, texts or pg_dump's own", async () => {
  const harmless = `\\restrict abc
COPY public.agents (id, name) FROM stdin;
1\t\\\\! rm -rf /
\\.
SELECT '\\! x';
\\unrestrict abc
${end}`;
  assert.deepEqual(await scan(harmless), []);
  for (const line of [
    "\\! id",
    "SELECT 1 \\! id",
    "\\connect other",
    "SELECT 1 \\gexec",
    "\\i /etc/passwd",
  ]) {
    await assert.rejects(scan(`${line}\n${end}`), { code: "ADOPTION_REFUSED", exit: 3 }, line);
  }
});

test("a dump that was cut off is refused, in its rows too", async () => {
  for (const text of ["CREATE TABLE a ();\n", `COPY public.a (b) FROM stdin;\n1\n${end}`]) {
    await assert.rejects(scan(text), { code: "BACKUP_DAMAGED" });
  }
});

test("what is no dump is bad input", async () => {
  const place = folder();
  const files = { "a.txt": "hello", "a.gz": Buffer.from([0x1f, 0x8b, 8]), "a.dump": "" };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(place, name), content);
    await assert.rejects(openForeignDump(join(place, name)), { code: "USAGE", exit: 2 });
  }
  await assert.rejects(openForeignDump(join(place, "none")), { code: "USAGE" });
  writeFileSync(join(place, "b.dump"), "PGDMP\u0001\u000e");
  assert.equal((await openForeignDump(join(place, "b.dump"))).format, "custom");
});

test("the schemas of a dump are found in what it is made of", () => {
  const sql = `CREATE TABLE "My Schema".alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE "My Schema".passages (
    embedding extensions.vector(4096)
);`;
  assert.deepEqual(schemasIn(sql), { lettas: ["My Schema"], vector: "extensions" });
  assert.deepEqual(schemasIn(""), { lettas: [], vector: undefined });
});
