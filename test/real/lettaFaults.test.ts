// The faults of database and migration, on real Letta releases. `npm run faults` runs them, and
// `npm test -- real/lettaFaults`: each rehearsal takes most of a minute, and `npm test` has made
// the same faults with the fake server server.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { portsOf } from "./portsOf.ts";
import { prodWorkspace, type ProdWorkspace } from "./prodWorkspace.ts";
import { Story } from "./story.ts";
import { docker } from "./workspace.ts";

const [old, next] = ["0.15.1", "0.16.8"];
const oldHead = "b1c2d3e4f5a6";
let story: Story;
let place: ProdWorkspace;

before(async () => {
  place = await prodWorkspace("letta-faults", portsOf("lettaFaults"), { IMAGE_SOURCE: "local" });
  story = new Story(place);
  story.ends(await place.deploy(old), 0);
  await story.write();
});
after(() => story?.remove());

/** Deploys the next version; before its migration a hook says this to the live database. */
function deployAfter(statements: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const psql = `docker exec ${place.project}-postgres-1 psql -U letta -v ON_ERROR_STOP=1 -qc`;
  const lines = statements.map((one) => `${psql} '${one}'`);
  return story.withHook("pre-migrate", ["set -e", ...lines], () => place.deploy(next, [], more));
}

/** The previous version serves again on its own schema, with every agent. */
async function isBack(): Promise<void> {
  await story.assertInvariants(old);
  assert.equal(place.revision(), oldHead);
}

test("25: another encryption key is refused before anything is touched", async () => {
  const other = { LETTA_ENCRYPTION_KEY: "another key than the one it was" };
  const reported = await story.untouched(() => place.deploy(next, [], other));
  story.ends(reported, 3, "KEY_CHANGED");
});

test("24: a password that the volume does not know is refused before anything is touched", async () => {
  const wrong = { LETTA_PG_PASSWORD: "anotherpassword1" };
  const asked = () => place.deploy(next, ["--recreate", "postgres"], wrong);
  const said = story.ends(await story.untouched(asked), 3);
  assert.match(said["message"]!, /LETTA_PG_PASSWORD does not open the database/);
});

test("23: a revision that is unknown, double or missing is refused, and named", async () => {
  for (const [make, named] of [
    ["UPDATE alembic_version SET version_num = 'zzz'", /zzz/],
    ["INSERT INTO alembic_version VALUES ('zzz')", /zzz/],
    ["DELETE FROM alembic_version", /holds \d+ rows and has no revision/],
  ] as const) {
    place.psql(make);
    const said = story.ends(await story.untouched(() => place.deploy(next)), 3);
    assert.match(said["message"]!, named);
    place.psql(`DELETE FROM alembic_version; INSERT INTO alembic_version VALUES ('${oldHead}')`);
  }
  await isBack();
});

test("21: a backup with a flipped byte is not restored", async () => {
  const { backup } = (await place.tell("backup", ["prod"])).said as { backup: { id: string } };
  const path = join(place.state, "backups", `${backup.id}.dump`);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  const asked = () => place.tell("restore", ["prod", backup.id, "--yes"]);
  story.ends(await story.untouched(asked), 3);
});

test("19: an idle session in the way of the migration is named, and nothing is half done", async () => {
  const idle = story.session("BEGIN; TABLE agents;");
  await story.until("state = 'idle in transaction'");
  const said = story.ends(await place.deploy(next), 3, "CONFIRMATION_NEEDED");
  assert.match(said.details.join("\n"), /pid \d+, .*idle in transaction since/);
  idle.stdin.end();
  await isBack();
});

test("17: a migration that fails in the middle, and only for real, is taken back", async () => {
  await story.write();
  const reported = await deployAfter(["CREATE TABLE conversations (id text)"]);
  assert.match(story.ends(reported, 4, "ROLLED_BACK").details.join("\n"), /conversations/);
  await isBack();
  place.psql("DROP TABLE conversations");
});

test("18: Postgres killed in the middle of a migration's statement is started and taken back", async () => {
  await story.write();
  const from = place.journal().length;
  const running = place.start("deploy", ["prod", next, "--yes", "--json"]);
  await story.begins(/^snapshot database/, from, running, "done");
  const locking = story.session("BEGIN; LOCK TABLE agents;");
  await story.until("wait_event_type = 'Lock' AND datname = 'letta'");
  docker("kill", story.container("postgres"));
  story.ends(await story.reported(running), 4, "ROLLED_BACK");
  locking.kill();
  await isBack();
});

/** Refuses to write agents once the database is migrated, to all but these addresses. */
function refusing(but: readonly string[]): string[] {
  const others = ["NULL", ...but.map((one) => `$q$${one}$q$`)].join(", ");
  const when = `to_regclass($q$conversations$q$) IS NOT NULL AND (inet_client_addr() IN (${others})) IS NOT TRUE`;
  const refuse = `IF ${when} THEN RAISE EXCEPTION $q$not on this schema$q$; END IF`;
  return [
    `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $no$ BEGIN ${refuse}; RETURN NEW; END $no$`,
    "CREATE TRIGGER no BEFORE INSERT OR UPDATE ON agents FOR EACH ROW EXECUTE FUNCTION no()",
  ];
}

test("20: a server that does not come up on the migrated schema is taken back", async () => {
  await story.write();
  story.ends(await deployAfter(refusing([]), { DEPLOY_STRATEGY: "pause" }), 4, "ROLLED_BACK");
  await isBack();
  place.psql("DROP FUNCTION no CASCADE");
});

test("20: one that does not start next to the old one leaves that on the migrated schema", async () => {
  await story.write();
  const address = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
  const own = docker("inspect", "-f", address, story.container("server")).trim().split(" ");
  story.ends(await deployAfter(refusing(own)), 4, "ROLLED_BACK");
  await story.assertInvariants(old);
  assert.notEqual(place.revision(), oldHead);
});
