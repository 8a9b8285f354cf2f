import assert from "node:assert/strict";
import { test } from "node:test";
import { deployed, expectEnd, newSite, run, serving } from "./testSite.ts";

// A command that finds an interrupted run has recovery bring a release to serve, before it comes to its own work.

test("a rollback that is refused after its recovery has rolled back does not end with 2 or 3", async () => {
  const site = newSite();
  const { world } = site;
  expectEnd(await run(site, { kind: "deploy", version: "1.0.0" }), "done");
  world.onEffect = (name) => {
    if (name !== "stop server") return;
    world.onEffect = undefined;
    world.process()!.die();
  };
  expectEnd(await run(site, { kind: "deploy", version: "3.0.0" }), "dead");
  const refused = await run(site, { kind: "rollback", version: "3.0.0" });
  expectEnd(refused, "failed", "ROLLED_BACK", 4);
  assert.match(refused.problem!.details.join("\n"), /1\.0\.0 serves again/);
  assert.equal(serving(site), "1.0.0");
});

test("one call that the engine fails at during a rollback does not strand it", async () => {
  const site = await deployed(["1.0.0"]);
  const { servers, world } = site;
  world.onEffect = (name) => {
    if (name.includes('RENAME TO "letta_retained')) {
      world.onEffect = undefined;
      throw Object.assign(new Error("the engine is busy"), { statusCode: 500 });
    }
    if (name !== "start server") return;
    world.after(60, () => {
      const server = servers.part("server")!;
      server.stopped = true;
      servers.end(server, 1);
    });
  };
  const failed = await run(site, { kind: "deploy", version: "3.0.0" });
  expectEnd(failed, "failed", "ROLLED_BACK", 4);
  assert.match(failed.notes.join("\n"), /rolling back once more, after: the engine is busy/);
  assert.equal(serving(site), "1.0.0");
  assert.equal(servers.holding, false);
});
