import assert from "node:assert/strict";
import { test } from "node:test";
import { revisionOf } from "./databases.ts";
import type { Stranger } from "./servers.ts";
import type { Site } from "./site.ts";
import { deployed, expectEnd, run, serving } from "./testSite.ts";

// Sessions of others on the live database: psql, an exporter, a pool.

/** A stack of 1.0.0 whose server keeps no connection. */
const stack = () => deployed(["1.0.0"], ({ idleServers }) => idleServers !== "work");

const psql: Stranger = { database: "letta", application: "psql", mayEnd: true, again: false };

/** Connects when the new server starts, which then ends: the deploy fails with its copy made. */
function connectAndFail({ world, servers }: Site, stranger: Stranger): void {
  world.onEffect = (name) => {
    if (name !== "start server") return;
    world.onEffect = undefined;
    servers.strangers.push(stranger);
    world.after(60, () => {
      const server = servers.part("server")!;
      server.stopped = true;
      servers.end(server, 1);
    });
  };
}

function serves(site: Site, version: string, revision: string): void {
  const { servers } = site;
  assert.equal(servers.part("server")!.state, "running");
  assert.equal(serving(site), version);
  assert.equal(revisionOf(servers.databases.get("letta")!), revision);
  assert.equal(servers.holding, false);
}

for (const again of [false, true]) {
  const what = again ? "that connects again at once" : "left open";
  test(`a session ${what} does not strand an automatic rollback`, async () => {
    const site = await stack();
    connectAndFail(site, { ...psql, again });
    const failed = expectEnd(
      await run(site, { kind: "deploy", version: "3.0.0" }),
      "failed",
      "ROLLED_BACK",
      4,
    );
    serves(site, "1.0.0", "r1");
    assert.match(failed.notes.join("\n"), /ended sessions: .*psql/);
  });

  test(`a session ${what} does not keep a deploy from its copy`, async () => {
    const site = await stack();
    site.servers.strangers.push({ ...psql, again });
    expectEnd(await run(site, { kind: "deploy", version: "3.0.0", endSessions: true }), "done");
    serves(site, "3.0.0", "r3");
  });
}

test("a session that may not be ended: the old server goes on by what was rehearsed", async () => {
  const site = await stack();
  connectAndFail(site, { ...psql, mayEnd: false });
  expectEnd(await run(site, { kind: "deploy", version: "3.0.0" }), "failed", "ROLLED_BACK", 4);
  serves(site, "1.0.0", "r3");
});

test("sessions are named and asked about before anything is touched", async () => {
  const site = await stack();
  site.servers.strangers.push(psql);
  const server = site.servers.part("server")!.id;
  const databases = [...site.servers.databases.keys()];
  const refused = await run(site, { kind: "deploy", version: "2.0.0", endSessions: false });
  expectEnd(refused, "failed", "CONFIRMATION_NEEDED", 3);
  assert.match(refused.problem!.details.join("\n"), /pid \d+, psql/);
  assert.match(refused.problem!.next!, /--end-sessions/);
  assert.equal(site.servers.part("server")!.id, server);
  assert.deepEqual([...site.servers.databases.keys()], databases);
  assert.deepEqual(site.servers.strangers, [psql]);
  serves(site, "1.0.0", "r1");
});

test("a session that no run may end is refused with its cure, whatever was allowed", async () => {
  const site = await stack();
  site.servers.strangers.push({ ...psql, mayEnd: false });
  const refused = await run(site, { kind: "deploy", version: "2.0.0", endSessions: true });
  expectEnd(refused, "failed", "DATABASE_REFUSED", 3);
  assert.match(refused.problem!.details.join("\n"), /pg_signal_backend/);
  serves(site, "1.0.0", "r1");
});

test("a deploy that leaves the database alone asks no one to go", async () => {
  const site = await stack();
  site.servers.strangers.push(psql);
  expectEnd(await run(site, { kind: "deploy", version: "1.1.0", endSessions: false }), "done");
  assert.deepEqual(site.servers.strangers, [psql]);
});

test("a plan names the sessions as a deploy does, and what it would be refused for", async () => {
  const site = await stack();
  const planned = async (version: string) => {
    const plan = await run(site, { kind: "plan", version });
    return expectEnd(plan, "done").notes.join("\n");
  };
  assert.doesNotMatch(await planned("2.0.0"), /sessions of others/);
  site.servers.strangers.push(psql);
  assert.match(await planned("2.0.0"), /sessions of others.*: 1\n.*psql.*\n.*--end-sessions/);
  assert.doesNotMatch(await planned("1.1.0"), /psql/); // it leaves the database alone
  site.servers.strangers.push({ ...psql, mayEnd: false });
  assert.match(await planned("2.0.0"), /refused as long as .*\n.*pg_signal_backend/);
  assert.equal(site.servers.strangers.length, 2);
});
