import assert from "node:assert/strict";
import { test } from "node:test";
import type { Site } from "./site.ts";
import { expectEnd, newSite, run, serving } from "./testSite.ts";

// Redis comes to a stack that has none, and leaves it again with a rollback.

/** What is changed on the engine while work is done, in its order. */
async function changesDuring({ world }: Site, work: () => Promise<unknown>): Promise<string[]> {
  const changes: string[] = [];
  world.onEffect = (name) => void changes.push(name);
  await work();
  return changes;
}

const releases = [
  { kind: "deploy", version: "1.0.0" },
  { kind: "deploy", version: "1.1.0", redis: true },
] as const;

test("Redis is there before the server that uses it, and nothing with data is made anew", async () => {
  const site = newSite();
  expectEnd(await run(site, releases[0]), "done");
  const changes = await changesDuring(site, async () =>
    expectEnd(await run(site, releases[1]), "done"),
  );
  assert.equal(site.servers.part("redis")?.health, "healthy");
  const [redis, server] = [changes.indexOf("start redis"), changes.indexOf("start server")];
  assert.ok(redis >= 0 && redis < server, changes.join("\n"));
  assert.ok(!changes.some((one) => /^(?:stop|start) (?:postgres|collector)/.test(one)));
});

for (const strategy of ["auto", "pause"] as const)
  test(`a rollback with ${strategy} takes Redis away once the server that uses it has ended`, async () => {
    const site = newSite();
    for (const one of releases) expectEnd(await run(site, one), "done");
    const back = { kind: "rollback", version: "1.1.0", redis: true, strategy } as const;
    const changes = await changesDuring(site, async () => expectEnd(await run(site, back), "done"));
    assert.equal(serving(site), "1.0.0");
    assert.equal(site.servers.part("redis"), undefined);
    const [server, redis] = [changes.indexOf("stop server"), changes.indexOf("stop redis")];
    assert.ok(server >= 0 && server < redis, changes.join("\n"));
  });
