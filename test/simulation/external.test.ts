import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExternalFacts } from "../../scripts/database/assertDatabase.ts";
import { revisionOf } from "./databases.ts";
import { deployed, expectEnd, run, serving } from "./testSite.ts";

// What an external database lacks keeps a command from that alone for which it is needed.

const outside = (versions: readonly string[]) =>
  deployed(versions, ({ idleServers }) => idleServers !== "work", { isExternal: true });

/** Each is a fault of a deploy. */
const incidents: Readonly<Record<string, Partial<ExternalFacts>>> = {
  "its connections are used up by others": { usedConnections: 96, otherConnections: 96 },
  "its schema was dropped": { schema: null, mayCreateTables: false },
  "its extension was dropped": { vector: null },
};

for (const [what, facts] of Object.entries(incidents)) {
  test(`a rollback, a backup and a restore go through although ${what}`, async () => {
    const site = await outside(["1.0.0", "1.1.0"]);
    expectEnd(await run(site, { kind: "backup", version: "1.1.0" }), "done");
    site.servers.cluster.facts = facts;
    const refused = await run(site, { kind: "deploy", version: "2.0.0" });
    expectEnd(refused, "failed", "DATABASE_REFUSED", 3);
    expectEnd(await run(site, { kind: "backup", version: "1.1.0" }), "done");
    expectEnd(await run(site, { kind: "restore", version: "1.1.0" }), "done");
    expectEnd(await run(site, { kind: "rollback", version: "1.1.0", to: "1.0.0" }), "done");
    assert.equal(serving(site), "1.0.0");
  });
}

test("a server newer than pg_dump refuses what takes a backup, and nothing else", async () => {
  const site = await outside(["1.0.0", "2.0.0"]);
  site.servers.cluster.facts = { version: 180_000 };
  for (const kind of ["backup", "restore"] as const) {
    const refused = await run(site, { kind, version: "2.0.0" });
    expectEnd(refused, "failed", "DATABASE_REFUSED", 3);
  }
  const migrating = await run(site, { kind: "deploy", version: "3.0.0" });
  expectEnd(migrating, "failed", "DATABASE_REFUSED", 3);
  // Rehearsed by the deploy: it needs no backup.
  expectEnd(await run(site, { kind: "rollback", version: "2.0.0", to: "1.0.0" }), "done");
  assert.equal(serving(site), "1.0.0");
  expectEnd(await run(site, { kind: "deploy", version: "2.0.0" }), "done");
});

test("a database that cannot be written is backed up, and nothing else", async () => {
  const site = await outside(["1.0.0", "1.1.0"]);
  site.servers.cluster.facts = { isReplica: true, isReadOnly: true };
  expectEnd(await run(site, { kind: "backup", version: "1.1.0" }), "done");
  for (const kind of ["deploy", "rollback", "restore"] as const) {
    const refused = await run(site, { kind, version: "1.0.0" });
    expectEnd(refused, "failed", "DATABASE_REFUSED", 3);
  }
});

test("a role that may not create vector still takes a snapshot, which a failed migration comes back from", async () => {
  const site = await outside(["1.0.0"]);
  const { servers, world } = site;
  servers.cluster.facts = { mayCreateVector: false };
  let snapshots: string[] = [];
  world.onEffect = (name) => {
    if (name !== "start server") return;
    world.onEffect = undefined;
    snapshots = [...servers.databases.keys()].filter((one) => one.startsWith("letta_snapshot_"));
    world.after(60, () => {
      const server = servers.part("server")!;
      server.stopped = true;
      servers.end(server, 1);
    });
  };
  const failed = await run(site, { kind: "deploy", version: "3.0.0" });
  expectEnd(failed, "failed", "ROLLED_BACK", 4);
  assert.equal(snapshots.length, 1);
  assert.equal(serving(site), "1.0.0");
  assert.equal(revisionOf(servers.databases.get("letta")!), "r1");
});

test("an adoption takes over the copy that a run left which was killed in its rehearsal", async () => {
  const site = await outside(["1.0.0"]);
  const { servers, world } = site;
  world.onEffect = (name) => {
    if (name !== "start previous") return;
    world.onEffect = undefined;
    world.process()!.die();
  };
  expectEnd(await run(site, { kind: "deploy", version: "2.0.0" }), "dead");
  assert.ok(servers.databases.has("letta_rehearsal"));
  const adopting = { from: "lost", adoptState: true } as const;
  expectEnd(await run(site, { kind: "deploy", version: "1.1.0", ...adopting }), "done");
  assert.ok(!servers.databases.has("letta_rehearsal"));
  expectEnd(await run(site, { kind: "deploy", version: "2.0.0" }), "done");
});
