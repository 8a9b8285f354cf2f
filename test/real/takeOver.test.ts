// Stacks on the engine: the application is no superuser from the first deploy on, and a stack whose
// volume an earlier version made is taken over by a deploy, which can be rolled back; one whose state
// directory was lost, by a command that is asked to adopt it.
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { containerIds, docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { Story } from "./story.ts";

let place: FakeServerWorkspace;
let story: Story;
before(async () => {
  place = await fakeServerWorkspace("takeover", portsOf("rotate") + 100);
  story = new Story(place);
});
after(() => place.remove());

const postgres = () => containerIds(place.project)["postgres"]!;
const as = (user: string, statement: string) =>
  docker("exec", postgres(), "psql", "-U", user, "-d", "letta", "-qAtc", statement);
const roles = () =>
  as(
    "letta",
    "SELECT rolname || ' ' || rolsuper FROM pg_roles WHERE rolname ~ '^letta' AND rolcanlogin ORDER BY 1",
  ).split("\n");
const owners = () =>
  as("letta", "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'");

/** The roles as earlier versions made them: the only one is the superuser that made the cluster. */
function asEarlier() {
  as("letta_admin", "CREATE ROLE maker SUPERUSER LOGIN");
  const script = `
    CREATE TEMP TABLE was AS SELECT rolpassword FROM pg_authid WHERE rolname = 'letta';
    REASSIGN OWNED BY letta TO letta_admin; DROP OWNED BY letta;
    REASSIGN OWNED BY letta_rehearsal TO letta_admin; DROP OWNED BY letta_rehearsal;
    DROP ROLE letta; DROP ROLE IF EXISTS letta_rehearsal;
    ALTER ROLE letta_admin RENAME TO letta;
    DO $$ BEGIN EXECUTE format('ALTER ROLE letta PASSWORD %L', (SELECT rolpassword FROM was)); END $$;
    GRANT CONNECT ON DATABASE letta TO PUBLIC`;
  const missing = "NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'letta_rehearsal')";
  as("letta_admin", `DO $$ BEGIN IF ${missing} THEN CREATE ROLE letta_rehearsal; END IF; END $$`);
  as("maker", script);
  as("letta", "DROP ROLE maker");
}

test("a new stack's application owns its database and is no superuser", async () => {
  const reported = await place.deploy("1.0.0");
  assert.equal(reported.code, 0, reported.stdout + reported.stderr);
  assert.deepEqual(roles(), ["letta false", "letta_admin true"]);
  assert.equal(owners(), "letta");
  await place.write("first");
});

test("a volume of an earlier version is taken over by a deploy that says so, the container stays", async () => {
  asEarlier();
  assert.deepEqual(roles(), ["letta true"]);
  await place.write("second");
  const container = postgres();
  const plan = await place.run("plan", ["prod"]);
  assert.match(plan.stdout + plan.stderr, /letta stops being a superuser/);
  const reported = await place.deploy("1.0.0");
  assert.equal(reported.code, 0, reported.stdout + reported.stderr);
  assert.notEqual(place.newestGood()?.backup, null, "it was not tried on a copy");
  assert.deepEqual(roles(), ["letta false", "letta_admin true", "letta_rehearsal false"]);
  assert.equal(owners(), "letta");
  assert.equal(postgres(), container);
  await place.write("third");
  assert.deepEqual(await place.agents(), ["first", "second", "third"]);
});

test("a deploy that takes over and fails gives the rights back", async () => {
  asEarlier();
  const hook = `docker exec ${place.project}-postgres-1 psql -U letta -c 'CREATE TABLE notes (id text)'`;
  const path = join(place.root, "hooks", "pre-migrate");
  mkdirSync(join(place.root, "hooks"), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${hook}\n`, { mode: 0o755 });
  const reported = await place.deploy("2.0.0");
  rmSync(join(place.root, "hooks"), { recursive: true, force: true });
  assert.equal(reported.code, 4, reported.stdout + reported.stderr);
  assert.deepEqual(roles(), ["letta true", "letta_admin true", "letta_rehearsal false"]);
  await place.write("fourth");
  as("letta_admin", "DROP TABLE IF EXISTS notes");
});

test("the application migrates as the owner of its database, and the earlier release comes back", async () => {
  const reported = await place.deploy("2.0.0");
  assert.equal(reported.code, 0, reported.stdout + reported.stderr);
  assert.deepEqual(roles(), ["letta false", "letta_admin true", "letta_rehearsal false"]);
  assert.equal(owners(), "letta");
  await place.write("fifth");
  const back = await place.rollback(["1.0.0"]);
  assert.equal(back.code, 0, back.stdout + back.stderr);
  await place.write("sixth");
  const restored = await place.run("restore", ["prod", "--yes", "--json"]);
  assert.ok(restored.code === 0 || restored.code === 3, restored.stdout + restored.stderr);
  assert.equal(owners(), "letta");
});

test("a restore that is killed before its swap leaves the live database, for the next command to go on with", async () => {
  story.ends(await place.tell("backup", ["prod"]), 0);
  await place.write("seventh");
  const agents = await place.agents();
  const from = place.journal().length;
  const running = place.start("restore", ["prod", "--yes", "--json"]);
  await story.begins(/^drain and stop old server/, from, running);
  running.child.kill("SIGKILL");
  await running.ended;
  story.killed.push(running.child.pid!);
  story.ends(await place.tell("backup", ["prod"]), 0);
  assert.deepEqual(await place.agents(), agents);
  const restored = place.releases().find((one) => one.kind === "restore");
  assert.equal(restored?.outcome, "failed");
  await story.assertInvariants("1.0.0");
});

test("a lost state directory is refused by the name of what is there, and adopted when that is asked", async () => {
  const agents = await place.agents();
  const serving = place.newestGood()!.id;
  renameSync(place.state, join(place.root, "lost"));
  const restore = ["--database", "restore"];
  const refused = await story.untouched(() => place.rollback(restore));
  const { details, next } = story.ends(refused, 3, "STATE_MISMATCH");
  const found = details.join("\n");
  assert.match(found, /^container \S+-server-\d, release \d{6}, made by installation \w{16}$/m);
  assert.match(found, new RegExp(`^database letta, release ${serving}, made by`, "m"));
  assert.match(next!, /--adopt-state/);

  // The database is at the newer schema, which only this version's image knows.
  const adopted = story.ends(await place.deploy("2.0.0", ["--adopt-state"]), 0);
  assert.ok(Number(adopted["release"]) > Number(serving), `${adopted["release"]}`);
  await place.write("eighth");
  assert.deepEqual(await place.agents(), [...agents, "eighth"].sort());
});
