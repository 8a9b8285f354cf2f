import assert from "node:assert/strict";
import { longTest } from "./longTest.ts";
import { spawn } from "node:child_process";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { after, before } from "node:test";
import { fromEnv } from "../fakes/fromEnv.ts";
import type { Reported } from "./prodWorkspace.ts";
import { evidence } from "./invariants.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { Story } from "./story.ts";
import { containerIds, docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// Every exit code of the contract, on the real engine: what a command answers, and that it is
// true. One stack lives through all of it; a test leaves it with a server that works.
let story: Story;
let place: FakeServerWorkspace;
/** What the first deploy said: made before all tests, for each to run by itself too. */
let deployed: Reported;
const ends: Story["ends"] = (...asked) => story.ends(...asked);
const write = () => story.write();
const serves = (version: string) => story.serves(version);
const untouched: Story["untouched"] = (work) => story.untouched(work);
const withHook: Story["withHook"] = (...asked) => story.withHook(...asked);
const begins: Story["begins"] = (...asked) => story.begins(...asked);

before(async () => {
  story = await Story.begin("exits", portsOf("exits"));
  ({ place } = story);
  deployed = await place.deploy("1.0.0");
});
after(async () => {
  await story.remove();
  const own = docker("images", "letta-test-exits-own", "--format", "{{.Repository}}:{{.Tag}}");
  if (own !== "") docker("rmi", ...own.split("\n"));
});

/** An image of its own with a version in it. @returns its name, without the version's tag */
function ownImage(version: string): string {
  const name = "letta-test-exits-own";
  const made = docker("create", `letta-stack-fake-server:${version}`);
  docker("commit", "--change", "LABEL own=1", made, `${name}:${version}`);
  docker("rm", made);
  return name;
}

/** A deploy in a clone, whatever it comes to. */
function deployIn(root: string, tag: string): Promise<{ code: number | null; said: string }> {
  const words = fromEnv(["prod", tag, "--yes"], place.environment);
  const args = ["--import", "./scripts/commands/start.mjs", "scripts/commands/deploy.ts", ...words];
  const env = { ...process.env, ...place.environment };
  const child = spawn(process.execPath, args, { cwd: root, env });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, said })));
}

test("0: a deploy, another one and the rollback are what serves", async () => {
  const first = ends(deployed, 0);
  assert.deepEqual([first["release"], first["from"]], ["000001", null]);
  assert.match(String(first["url"]), /^https:\/\//);
  await write();
  ends(await place.deploy("1.1.0"), 0);
  await serves("1.1.0");
  const back = ends(await place.rollback(), 0);
  assert.deepEqual([back["release"], back["from"], back["tag"]], ["000003", "000002", "1.0.0"]);
  await serves("1.0.0");
});

test("0: what runs already is left alone", async () => {
  const reported = await untouched(() => place.deploy("1.0.0"));
  assert.equal(ends(reported, 0)["release"], "000003");
});

test("2: what no one understands touches nothing", async () => {
  for (const [entry, args, problem, more = {}] of [
    ["rollback", ["9.9.9", "--yes"], "RELEASE_UNKNOWN"],
    ["rollback", ["--database", "nonsense", "--yes"], "USAGE"],
    ["rollback", ["1.1.0", "--from-dump", "agents", "--yes"], "USAGE"],
    ["deploy", ["prod", "1.1.0", "--nonsense"], "USAGE"],
    ["deploy", ["nowhere", "1.1.0"], "USAGE"],
    ["deploy", ["prod", "1.1.0", "--yes"], "SETTINGS_INVALID", { BAKE_TIME: "soon" }],
  ] as [string, string[], string, Record<string, string>?][]) {
    ends(await untouched(() => place.tell(entry, args, more)), 2, problem);
  }
});

test("3: without a terminal and without --yes nothing is done", async () => {
  const reported = await untouched(() => place.tell("deploy", ["prod", "1.1.0"]));
  ends(reported, 3, "CONFIRMATION_NEEDED");
});

test("10: plan and verify tell differences, and nothing where there is none", async () => {
  ends(await place.tell("plan", ["prod", "1.0.0", "--exit-code"]), 0);
  ends(await untouched(() => place.tell("plan", ["prod", "1.1.0", "--exit-code"])), 10);
  ends(await place.tell("verify", ["prod"]), 0);
  const server = containerIds(place.project)["server"]!;
  const memory = docker("inspect", "-f", "{{.HostConfig.Memory}}", server);
  const swap = docker("inspect", "-f", "{{.HostConfig.MemorySwap}}", server);
  docker("update", "--memory", "900m", server);
  const drifted = ends(await place.tell("verify", ["prod"]), 10, "DIFFERENCES");
  assert.match(JSON.stringify(drifted["drift"]), /"service":"server"/);
  docker("update", "--memory", memory, "--memory-swap", swap, server);
  ends(await place.tell("verify", ["prod"]), 0);
});

test("5: verify tells a service that does not run", async () => {
  docker("stop", containerIds(place.project)["collector"]!);
  ends(await place.tell("verify", ["prod"]), 5);
  ends(await place.deploy("1.0.0"), 0);
  ends(await place.tell("verify", ["prod"]), 0);
});

test("3: each thing that must not be is refused before anything is touched", async () => {
  const other = { LETTA_ENCRYPTION_KEY: "another key than the one it was" };
  const refusals: [string, Record<string, string>][] = [
    ["KEY_CHANGED", other],
    ["STATEFUL_RECREATE", { POSTGRES_MEMORY: "900m" }],
    ["STAGING_UNPROVEN", { REQUIRE_STAGING: "true" }],
  ];
  for (const [problem, more] of refusals) {
    ends(await untouched(() => place.deploy("2.0.0", [], more)), 3, problem);
  }
  // A run that may recreate Postgres is informed that its data belongs to the earlier one.
  const wrong = { LETTA_PG_PASSWORD: "anotherpassword1" };
  const allowed = ["--recreate", "postgres"];
  const reported = ends(await untouched(() => place.deploy("2.0.0", allowed, wrong)), 3);
  assert.match(reported["message"]!, /LETTA_PG_PASSWORD does not open the database/);
  const down = await untouched(() => place.tell("down", ["prod", "--volumes", "--yes"]));
  ends(down, 3, "VOLUMES_PROTECTED");
});

test("3: a schema that no one knows is refused before anything is touched", async () => {
  await write();
  place.psql("UPDATE alembic_version SET version_num = 'zzz'");
  ends(await untouched(() => place.deploy("2.0.0")), 3, "REVISION_UNKNOWN");
  for (const [change, named] of [
    ["DELETE FROM alembic_version", /holds \d+ rows and has no revision/],
    ["COPY agents TO '/tmp/agents'; DELETE FROM agents", /holds \d+ tables and has no revision/],
  ] as const) {
    place.psql(change);
    const unmarked = ends(await untouched(() => place.deploy("2.0.0")), 3, "REVISION_UNKNOWN");
    assert.match(unmarked["message"]!, named);
  }
  place.psql("COPY agents FROM '/tmp/agents'");
  place.psql("INSERT INTO alembic_version VALUES ('r1'), ('zzz')");
  ends(await untouched(() => place.deploy("2.0.0")), 3, "REVISION_UNKNOWN");
  place.psql("UPDATE alembic_version SET version_num = 'r2' WHERE version_num = 'zzz'");
  ends(await place.deploy("2.0.0"), 3);
  place.psql("DELETE FROM alembic_version WHERE version_num = 'r2'");
  await serves("1.0.0");
});

longTest("3: what fails on a copy touches nothing, and leaves no copy", async () => {
  const broken = ends(await untouched(() => place.deploy("5.0.0")), 3, "REHEARSAL_FAILED");
  assert.match(broken["message"]!, /migration fails/);
  const sick = ends(await untouched(() => place.deploy("6.0.0")), 3, "REHEARSAL_FAILED");
  assert.match(sick["message"]!, /new server fails/);
  const hook = await withHook("pre-deploy", ["echo no; exit 7"], () =>
    untouched(() => place.deploy("2.0.0")),
  );
  assert.match(ends(hook, 3, "HOOK_FAILED")["message"]!, /exit 7/);
  await serves("1.0.0");
});

test("3: a state of a later format is refused, and stays as it is", async () => {
  const manifest = join(place.state, "releases", place.releases()[0]!.id, "release.json");
  const text = readFileSync(manifest, "utf8");
  const later = JSON.stringify({ ...(JSON.parse(text) as object), format: 99 });
  writeFileSync(manifest, later);
  ends(await untouched(() => place.deploy("1.1.0")), 3, "STATE_UNUSABLE");
  assert.equal(readFileSync(manifest, "utf8"), later);
  writeFileSync(manifest, text);
});

test("a damaged manifest of the newest release is quarantined, and nothing is guessed", async () => {
  for (const damage of ["", undefined]) {
    await write();
    const newest = place.newestGood()!;
    const folder = join(place.state, "releases", newest.id);
    const manifest = join(folder, "release.json");
    const text = readFileSync(manifest, "utf8");
    writeFileSync(manifest, damage ?? text.slice(0, 200));
    ends(await place.deploy("1.0.0"), 0);
    const retained = readdirSync(folder).filter((name) => name.startsWith("release.json.corrupt-"));
    assert.equal(
      readFileSync(join(folder, retained.at(-1)!), "utf8"),
      damage ?? text.slice(0, 200),
    );
    await story.assertInvariants("1.0.0");
  }
});

test("6: a run that starts during another one learns who that is, or waits for it", async () => {
  await write();
  const from = place.journal().length;
  const running = place.start("deploy", ["prod", "2.0.0", "--yes"]);
  await begins(/^preflight/, from, running);
  const reported = ends(await place.deploy("1.1.0"), 6, "LOCKED");
  assert.match(
    reported["message"]!,
    new RegExp(`deploy:prod of .* since .*pid ${running.child.pid} `),
  );
  const waited = await place.deploy("2.0.0", ["--wait"]);
  assert.equal((await running.ended).code, 0);
  assert.equal(ends(waited, 0)["release"], place.newestGood()!.id);
  await serves("2.0.0");
  ends(await place.rollback(["1.0.0", "--database", "restore"]), 0);
  await serves("1.0.0");
});

test("6: of two that begin at the same moment in two clones exactly one proceeds", async () => {
  const other = join(dirname(place.root), "other clone");
  cpSync(place.root, other, { recursive: true, verbatimSymlinks: true });
  const both = await Promise.all([deployIn(place.root, "1.1.0"), deployIn(other, "1.1.0")]);
  assert.deepEqual(both.map((one) => one.code).sort(), [0, 6], JSON.stringify(both));
  await serves("1.1.0");
  ends(await place.deploy("1.0.0"), 0);
  await serves("1.0.0");
});

test("4: a hook that says no before the migration leaves the previous server serving", async () => {
  await write();
  const reported = await withHook("pre-migrate", ["exit 1"], () => place.deploy("2.0.0"));
  assert.match(ends(reported, 4, "ROLLED_BACK")["message"]!, /1\.0\.0 serves again/);
  await story.assertInvariants("1.0.0");
  assert.equal(place.revision(), "r1");
  // The report is with the failed release, and tells its end.
  const { id } = place.releases().find((one) => one.outcome === "failed")!;
  const page = readFileSync(join(place.state, "releases", id, "report.html"), "utf8");
  for (const words of ["hook pre-migrate", "1.0.0 serves again"])
    assert.ok(page.includes(words), words);
});

test("4: a migration that fails only for real is taken back, and what it made is retained", async () => {
  await write();
  const psql = `docker exec ${place.project}-postgres-1 psql -U letta -c`;
  const query = `${psql} 'CREATE TABLE providers (id text, base boolean)'`;
  const reported = await withHook("pre-migrate", [query], () => place.deploy("3.0.0"));
  const said = ends(reported, 4, "ROLLED_BACK");
  assert.match(said["details"].join("\n"), /already exists/);
  await story.assertInvariants("1.0.0");
  assert.equal(place.revision(), "r1");
  const retained = place.databases().filter((name) => name.startsWith("letta_retained_"));
  // Its first migration was through, its second was not.
  assert.equal(place.psql("TABLE alembic_version", retained.at(-1)!), "r2");
  place.psql("DROP TABLE providers");
});

longTest(
  "5: once the migrated database has taken writes nothing is swapped, and the next command returns",
  async () => {
    await write();
    const reported = await place.deploy("7.0.0", [], { BAKE_TIME: "6s" });
    const said = ends(reported, 5, "ROLLBACK_STOPPED");
    const failed = place.releases().find((one) => one.tag === "7.0.0")!;
    assert.match(said["details"].join("\n"), new RegExp(`letta_snapshot_${failed.id}`));
    assert.equal(place.revision(), "r7");
    const log = readFileSync(join(evidence(place, failed.id), "server.log"), "utf8");
    assert.match(log, /this version ends after three seconds/);
    const [, next = ""] = /^npm run rollback -- (.*) --env prod$/u.exec(said["next"]!) ?? [];
    ends(await place.rollback(next.split(" ")), 0);
    await story.assertInvariants("1.0.0");
  },
);

test("4: Ctrl-C in the middle of a migration leaves the previous server serving", async () => {
  await write();
  for (const step of [/^migrations/, /^server healthy/]) {
    const from = place.journal().length;
    const running = place.start("deploy", ["prod", "2.0.0", "--yes", "--json"]);
    await begins(step, from, running);
    running.child.kill("SIGINT");
    const ran = await running.ended;
    const said = JSON.parse(ran.stdout) as Reported["said"];
    assert.match(String(ends({ ...ran, said }, 4, "ROLLED_BACK")["message"]), /interrupted/);
    await story.assertInvariants("1.0.0");
  }
});

test("3: Ctrl-C before anything was changed changes nothing", async () => {
  const reported = await untouched(async () => {
    const from = place.journal().length;
    const running = place.start("deploy", ["prod", "3.0.0", "--yes", "--json"]);
    await begins(/^rehearse: migrate a copy/, from, running);
    running.child.kill("SIGTERM");
    const ran = await running.ended;
    return { ...ran, said: JSON.parse(ran.stdout) as Reported["said"] };
  });
  ends(reported, 3, "INTERRUPTED");
  await serves("1.0.0");
});

longTest("5: where the rollback fails too it is said what runs and how to go on", async () => {
  const own = ownImage("3.0.0");
  ends(await place.deploy("3.0.0", [], { LETTA_IMAGE: own }), 0);
  await write();
  const present = place.newestGood()!;
  const image = present.services["server"]!.imageId;
  const reported = await withHook("pre-migrate", [`docker rmi -f ${image}`, "exit 1"], () =>
    place.deploy("4.0.0"),
  );
  const said = ends(reported, 5, "STEP_FAILED");
  assert.match(said["details"].join("\n"), /^server: exited/m);
  assert.match(said["next"]!, new RegExp(`rollback -- ${present.id} --env prod`));
  // The one who acts is held up by nothing.
  ends(await place.deploy("3.0.0"), 0);
  await serves("3.0.0");
  ends(await place.tell("verify", ["prod"]), 0);
});

test("3: a rollback across a migration that was not verified names all strategies", async () => {
  ends(await place.deploy("4.0.0"), 0);
  await write();
  const reported = await untouched(() => place.rollback(["1.0.0"]));
  const said = ends(reported, 3, "ROLLBACK_UNSAFE");
  for (const databaseStrategy of ["keep", "copy", "downgrade", "restore"])
    assert.match(said["details"].join("\n"), new RegExp(`--database ${databaseStrategy} `));
  assert.match(said["details"].join("\n"), /agents/, "what would be lost is not counted");
  await serves("4.0.0");
});

longTest("5: where the very first deploy fails there is nothing to go back to", async () => {
  const first = await fakeServerWorkspace("exits-first", portsOf("exits") + 20);
  try {
    const reported = await first.deploy("6.0.0");
    const said = ends(reported, 5, "STEP_FAILED");
    assert.match(said["message"]!, /no good release to roll back to/);
    assert.match(said["details"].join("\n"), /^server: running, unhealthy/m);
  } finally {
    await first.remove();
  }
});
