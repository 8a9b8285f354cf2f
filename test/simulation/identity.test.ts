import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Command } from "./command.ts";
import type { Site } from "./site.ts";
import { expectEnd, newSite, run as runOn } from "./testSite.ts";

// A name is no evidence: a lost state directory, and runs that were killed before they swapped.

const { readReleases } = await import("../../scripts/state/releases.ts");
let site: Site;
/** What agents are called, by their ids. */
const called = new Map<string, string>();

beforeEach(() => {
  site = newSite();
});

const run = async (command: Command) => {
  const ended = await runOn(site, command);
  assert.equal(ended.bug, undefined);
  await site.world.pass(86_400_000);
  return ended;
};
const done = async (command: Command) => expectEnd(await run(command), "done");
const write = (name: string) => {
  const { id } = site.servers.part("server")!;
  const body = JSON.stringify({ name });
  assert.equal(site.servers.answer(id, "POST", "/v1/agents/", body).status, 200);
  called.set([...rowsOf("letta")].at(-1)!, name);
};
const rowsOf = (database: string) => site.servers.databases.get(database)?.rows.get("agents") ?? [];
const agents = (database = "letta") => [...rowsOf(database)].map((id) => called.get(id));

/** Two releases and a rollback that restored: its database stays under the name of release 3. */
async function firstLife(): Promise<void> {
  await done({ kind: "deploy", version: "1.0.0" });
  write("old-1");
  await done({ kind: "deploy", version: "2.0.0" });
  write("old-2");
  await done({ kind: "rollback", version: "2.0.0", databaseStrategy: "restore" });
  assert.deepEqual(agents("letta_retained_000003"), ["old-1", "old-2"]);
}

test("a lost state directory is noticed, and nothing is touched until it adopts the stack", async () => {
  await firstLife();
  const server = site.servers.part("server")!.id;
  const [database] = [site.servers.databases.get("letta")];
  const refused = await run({ kind: "deploy", version: "2.0.0", from: "lost" });
  assert.equal(refused.problem?.code, "STATE_MISMATCH");
  assert.equal(refused.problem.exit, 3);
  assert.match(refused.problem.details.join("\n"), /letta-prod-server-1, release 000003/);
  assert.match(refused.problem.next ?? "", /--adopt-state/);
  assert.equal(site.servers.part("server")!.id, server);
  assert.equal(site.servers.databases.get("letta"), database);
});

test("an adoption clears away the rehearsal that a killed run left", async () => {
  await done({ kind: "deploy", version: "1.0.0" });
  const { servers, world } = site;
  const rehearsed = () =>
    [...servers.containers.values()].filter((one) => one.project !== servers.project);
  world.onEffect = (name) => {
    if (name !== "start previous") return;
    world.onEffect = undefined;
    world.process()!.die();
  };
  assert.equal((await run({ kind: "deploy", version: "2.0.0" })).outcome, "dead");
  assert.notDeepEqual(rehearsed(), []);
  await done({ kind: "deploy", version: "1.0.0", from: "checkout", adoptState: true });
  assert.deepEqual(rehearsed(), []);
});

test("an adoption keeps the snapshot of a killed migration, whose state is lost", async () => {
  await done({ kind: "deploy", version: "1.0.0" });
  write("old-1");
  const { world } = site;
  world.onEffect = (name) => {
    if (!name.startsWith("create migrate")) return;
    world.onEffect = undefined;
    world.process()!.die();
  };
  const strategy = "pause";
  expectEnd(await run({ kind: "deploy", version: "4.0.0", strategy }), "dead");
  assert.deepEqual(agents("letta_snapshot_000002"), ["old-1"]);
  await done({ kind: "deploy", version: "4.0.0", strategy, from: "lost", adoptState: true });
  assert.deepEqual(agents("letta_snapshot_000002"), ["old-1"]);
});

test("after an adoption ids continue, and a restore that fails leaves today's rows live", async () => {
  await firstLife();
  const adopted = await done({
    kind: "deploy",
    version: "1.0.0",
    from: "lost",
    adoptState: true,
  });
  assert.equal(adopted.release, "000004");
  write("new-1");
  assert.equal((await done({ kind: "deploy", version: "2.0.0" })).release, "000005");
  write("new-2");
  const { release } = await done({
    kind: "rollback",
    version: "2.0.0",
    databaseStrategy: "restore",
  });
  assert.equal(release, "000006");
  assert.deepEqual(agents("letta_retained_000006"), ["old-1", "new-1", "new-2"]);
  assert.deepEqual(agents("letta_retained_000003"), ["old-1", "old-2"]);
  assert.deepEqual(agents(), ["old-1", "new-1"]);
});

test("a database that has the name a run needs is named, and nothing is touched", async () => {
  await done({ kind: "deploy", version: "1.0.0" });
  await done({ kind: "deploy", version: "2.0.0" });
  const server = site.servers.part("server")!.id;
  const { databases } = site.servers;
  for (const name of ["letta_rehearsal", "letta_retained_000003", "letta_incoming_000003"]) {
    databases.set(name, { applied: [], half: false, rows: new Map() });
    const { problem } = await run({
      kind: "rollback",
      version: "2.0.0",
      databaseStrategy: "restore",
    });
    assert.match(problem?.code ?? "", /^STATE_(UNUSABLE|MISMATCH)$/);
    assert.equal(problem?.exit, 3);
    assert.match([problem.message, ...problem.details].join("\n"), new RegExp(name));
    assert.ok(site.servers.databases.has(name));
    site.servers.databases.delete(name);
    assert.equal(site.servers.part("server")!.id, server);
  }
});

test("a restore that was killed before its swap is not done because a database has its name", async () => {
  await done({ kind: "deploy", version: "1.0.0" });
  write("good");
  await done({ kind: "backup", version: "1.0.0" });
  write("bad");
  site.world.onEffect = (name) => {
    if (name !== "stop server") return;
    site.world.onEffect = undefined;
    site.world.process()!.die();
  };
  assert.equal((await run({ kind: "restore", version: "1.0.0" })).outcome, "dead");
  const retained = { applied: [], half: false, rows: new Map<string, Set<string>>() };
  site.servers.databases.set("letta_retained_000002", retained);
  const { notes } = await run({ kind: "backup", version: "1.0.0" });
  assert.doesNotMatch(notes.join("\n"), /release 000002 .* is finished/);
  assert.ok(site.servers.databases.has("letta_retained_000002"));
  assert.deepEqual(agents(), ["good", "bad"]);
  const restores = readReleases(site.directory).filter(({ kind }) => kind === "restore");
  assert.deepEqual(
    restores.map((one) => one.outcome),
    ["failed"],
  );
});

test("a backup that was changed since is no rollback, unless --foreign says so", async () => {
  await done({ kind: "deploy", version: "1.0.0" });
  await done({ kind: "deploy", version: "2.0.0" });
  const server = site.servers.part("server")!.id;
  const folder = "/simulated/state/prod/backups";
  const manifests = [...site.world.disk.folderAt(folder).entries.keys()].filter((one) =>
    one.endsWith(".json"),
  );
  for (const name of manifests) {
    const file = site.world.disk.fileAt(`${folder}/${name}`);
    file.data = Buffer.from(file.data.toString().replace("before deploy", "before somehow"));
  }
  for (const databaseStrategy of ["restore", "copy"] as const) {
    const { problem } = await run({ kind: "rollback", version: "2.0.0", databaseStrategy });
    assert.deepEqual([problem?.code, problem?.exit], ["BACKUP_DAMAGED", 3]);
    assert.match(
      problem?.next ?? "",
      new RegExp(`-- 000001 --database ${databaseStrategy} .*--foreign`),
    );
    assert.equal(site.servers.part("server")!.id, server);
  }
  await done({ kind: "rollback", version: "2.0.0", databaseStrategy: "restore", foreign: true });
});
