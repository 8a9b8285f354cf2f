import assert from "node:assert/strict";
import { before, test } from "node:test";
import { replaceModules } from "./replaceModules.ts";

// A command that finds an interrupted run has recovery bring a release to serve, before it comes to its own work.

type Simulation = typeof import("./site.ts") & typeof import("./command.ts");
let simulation: Simulation;

before(async () => {
  replaceModules(undefined);
  simulation = { ...(await import("./site.ts")), ...(await import("./command.ts")) };
});

test("a rollback that is refused after its recovery has rolled back does not end with 2 or 3", async () => {
  const site = simulation.emptySite(1);
  simulation.enterSite(site);
  const { world } = site;
  const run = (version: string, kind: "deploy" | "rollback") =>
    world.until(simulation.runCommand(site, { kind, version }, []));
  assert.equal((await run("1.0.0", "deploy")).outcome, "done");
  world.onEffect = (name) => {
    if (name !== "stop server") return;
    world.onEffect = undefined;
    world.process()!.die();
  };
  assert.equal((await run("3.0.0", "deploy")).outcome, "dead");
  const { problem } = await run("3.0.0", "rollback");
  assert.deepEqual([problem?.code, problem?.exit], ["ROLLED_BACK", 4]);
  assert.match(problem!.details.join("\n"), /1\.0\.0 serves again/);
  assert.equal(site.servers.tagOf(site.servers.part("server")!), "1.0.0");
});
