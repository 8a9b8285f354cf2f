import assert from "node:assert/strict";
import { test } from "node:test";
import { expectEnd, newSite, run, serving } from "./testSite.ts";

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
