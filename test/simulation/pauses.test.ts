import assert from "node:assert/strict";
import { test } from "node:test";
import { revisionOf } from "./databases.ts";
import type { Site } from "./site.ts";
import { deployed, expectEnd, run, serving } from "./testSite.ts";

// Pauses that end while something depends on them, and requests that are answered meanwhile.

/** A stack of 1.0.0 with one row, whose server keeps no connection, and whose snapshot takes a moment. */
async function stack(): Promise<Site> {
  const site = await deployed(
    ["1.0.0"],
    ({ idleServers, copyMs }) => idleServers !== "work" && copyMs < 1000,
  );
  write(site, "agent-before");
  return site;
}

/** A client's request, which the server has to answer. */
function write({ servers }: Site, name: string): void {
  assert.equal(servers.holding, false, `${name} waits at the proxy`);
  const { status } = servers.answer(
    servers.serving,
    "POST",
    "/v1/agents/",
    JSON.stringify({ name }),
  );
  assert.equal(status, 200);
}

const agentsOf = ({ servers }: Site, database = "letta") =>
  [...servers.databases.get(database)!.rows.get("agents")!].filter((one) =>
    one.startsWith("agent-"),
  );

/** When an effect begins for the first of so many times. */
function at({ world }: Site, name: string, work: (time: number) => void, times = 1): void {
  let time = 0;
  world.onEffect = (effect) => {
    if (effect === name && time < times) work((time += 1));
  };
}

/** The migration stops between its two revisions, after requests reached the old server. */
function endPauseAndMigration(site: Site, times: number): void {
  const { world, servers } = site;
  const during = (time: number) => {
    world.after(60, () => {
      servers.gate.end();
      write(site, `agent-during-${time}`);
    });
    // The first time after its first revision, then before its second.
    world.after(time === 1 ? 190 : 100, () => servers.end(servers.part("migrate")!, 1));
  };
  at(site, "start migrate", during, times);
}

test("a migration that stops after its pause has ended is completed, with every row", async () => {
  const site = await stack();
  endPauseAndMigration(site, 1);
  expectEnd(await run(site, { kind: "deploy", version: "2.5.0" }), "done");
  assert.deepEqual(agentsOf(site), ["agent-before", "agent-during-1"]);
  assert.equal(revisionOf(site.servers.databases.get("letta")!), "r8");
  assert.equal(serving(site), "2.5.0");
});

test("where it stops again the run ends with 5, names both databases, and the old server serves", async () => {
  const site = await stack();
  endPauseAndMigration(site, 2);
  const failed = expectEnd(
    await run(site, { kind: "deploy", version: "2.5.0" }),
    "failed",
    "ROLLBACK_STOPPED",
    5,
  );
  const reported = failed.problem!.details.join("\n");
  assert.match(reported, /^letta is live, at r2, its migration is not complete$/m);
  assert.match(reported, /^letta_snapshot_000002 is the snapshot/m);
  write(site, "agent-after");
  const all = ["agent-before", "agent-during-1", "agent-during-2", "agent-after"];
  assert.deepEqual(agentsOf(site), all);
  assert.equal(serving(site), "1.0.0");
  // The next deploy completes it.
  expectEnd(await run(site, { kind: "deploy", version: "2.5.0" }), "done");
  assert.deepEqual(agentsOf(site), all);
});

for (const version of ["2.5.0", "4.0.0"]) {
  test(`a pause that ends before the migration to ${version} begins ends the deploy, nothing changed`, async () => {
    const site = await stack();
    const { servers } = site;
    const server = servers.serving;
    let migrates = false;
    site.world.onEffect = (name) => {
      // When the snapshot has been made.
      if (servers.gate.isPaused && name.includes("letta_making")) {
        site.world.after(16, () => servers.gate.end());
      }
      if (name === "start migrate") migrates = true;
    };
    const failed = expectEnd(
      await run(site, { kind: "deploy", version }),
      "failed",
      "ROLLED_BACK",
      4,
    );
    assert.match(failed.problem!.message, /pause of requests ended before the migration/);
    assert.equal(migrates, false);
    site.world.onEffect = undefined;
    assert.equal(servers.serving, server, "the very server that was there");
    write(site, "agent-after");
    assert.deepEqual(agentsOf(site), ["agent-before", "agent-after"]);
    assert.deepEqual([...servers.databases.keys()].toSorted(), ["letta", "postgres"]);
    expectEnd(await run(site, { kind: "deploy", version }), "done");
    assert.deepEqual(agentsOf(site), ["agent-before", "agent-after"]);
  });
}

/** The pause ends while the new server boots, which answers a request and ends before it gets requests. */
function bootUnpaused(site: Site): void {
  const { world, servers } = site;
  at(site, "start server", () => {
    servers.gate.end();
    const boot = servers.part("server")!;
    const once = () => {
      if (!boot.connected) return world.after(10, once);
      write(site, "agent-new");
      boot.stopped = true;
      servers.end(boot, 1);
    };
    world.after(10, once);
  });
}

test("writes of a server that was reached before it was verified stay live: rehearsed rollback", async () => {
  const site = await stack();
  bootUnpaused(site);
  expectEnd(await run(site, { kind: "deploy", version: "3.0.0" }), "failed", "ROLLED_BACK", 4);
  assert.deepEqual(agentsOf(site), ["agent-before", "agent-new"]);
  assert.equal(serving(site), "1.0.0");
});

test("writes of a server that was reached before it was verified stay live: no rollback rehearsed", async () => {
  const site = await stack();
  bootUnpaused(site);
  const failed = expectEnd(
    await run(site, { kind: "deploy", version: "4.0.0" }),
    "failed",
    "ROLLBACK_STOPPED",
    5,
  );
  assert.match(failed.problem!.details.join("\n"), /letta_snapshot_000002 is the snapshot/);
  assert.deepEqual(agentsOf(site), ["agent-before", "agent-new"]);
});
