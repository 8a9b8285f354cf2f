import assert from "node:assert/strict";
import { test } from "node:test";
import type { Site } from "./site.ts";
import { deployed, expectEnd, run, serving } from "./testSite.ts";

// A server that is asked for more than it can do, before, while and after another takes its place.

/** These versions one after the other, and then an overload. */
async function overloaded(...versions: string[]): Promise<Site> {
  const site = await deployed(versions);
  site.servers.overloaded = true;
  return site;
}

test("a deploy is refused before anything is touched, with what was seen", async () => {
  const site = await overloaded("1.0.0");
  const server = site.servers.part("server")!;
  const before = [server.id, server.startedAt, [...site.servers.databases.keys()].join()];
  const refused = await run(site, { kind: "deploy", version: "2.0.0", despiteFailures: false });
  expectEnd(refused, "failed", "CONFIRMATION_NEEDED", 3);
  assert.match(refused.problem!.details.join("\n"), /3 of 3 reads failed: .*got 500/);
  assert.match(refused.problem!.next!, /--despite-failures/);
  const now = site.servers.part("server")!;
  assert.deepEqual([now.id, now.startedAt, [...site.servers.databases.keys()].join()], before);
});

test("a plan measures the same, names the flag that a deploy asks for, and touches nothing", async () => {
  const site = await overloaded("1.0.0");
  const failing = await run(site, { kind: "plan", version: "2.0.0" });
  expectEnd(failing, "done");
  assert.match(
    failing.notes.join("\n"),
    /server now: failing.*\n.*3 of 3 reads failed.*\n.*--despite-failures/,
  );
  site.servers.overloaded = false;
  const fine = (await run(site, { kind: "plan", version: "2.0.0" })).notes.join("\n");
  assert.match(fine, /server now: fine; slowest of 3 reads .*connections used/);
  assert.doesNotMatch(fine, /--despite-failures/);
  // Nothing to do: a deploy asks nothing.
  site.servers.overloaded = true;
  const same = (await run(site, { kind: "plan", version: "1.0.0" })).notes.join("\n");
  assert.match(same, /server now: failing/);
  assert.doesNotMatch(same, /--despite-failures/);
});

for (const version of ["1.1.0", "3.0.0"]) {
  test(`a deploy of ${version} that goes on all the same is not rolled back for what failed before`, async () => {
    const site = await overloaded("1.0.0");
    const failing = await run(site, { kind: "deploy", version });
    // It serves and stays, but no one saw it work: no success, exit 0 least of all.
    expectEnd(failing, "failed", "UNCHANGED_FAILURES", 5);
    assert.match(failing.problem!.details.join("\n"), /database read.*got 500/);
    assert.equal(serving(site), version);
    site.servers.overloaded = false;
    expectEnd(await run(site, { kind: "deploy", version }), "done");
  });
}

test("a rollback is informed of it, not stopped by it, and not counted against", async () => {
  const site = await overloaded("1.0.0", "1.1.0");
  const failing = await run(site, { kind: "rollback", version: "1.1.0", despiteFailures: false });
  expectEnd(failing, "failed", "UNCHANGED_FAILURES", 5);
  assert.match(failing.notes.join("\n"), /before: 3 of 3 reads failed/);
  assert.equal(serving(site), "1.0.0");
});

test("a release that fails by itself is still rolled back, by a server that fails as before", async () => {
  const site = await overloaded("1.0.0", "2.0.0");
  const failed = await run(site, { kind: "deploy", version: "7.0.0" });
  // Exit 4 would say that it was verified.
  expectEnd(failed, "failed", "ROLLED_BACK", 5);
  assert.match(failed.problem!.message, /2\.0\.0 serves again .* fails as it did before/);
  assert.equal(serving(site), "2.0.0");
});

test("an overload that ends with the deploy leaves a verified release, exit 0", async () => {
  const site = await overloaded("1.0.0");
  site.world.onEffect = (name) => {
    if (name === "start server") site.servers.overloaded = false;
  };
  expectEnd(await run(site, { kind: "deploy", version: "1.1.0" }), "done");
});

test("an overload that begins with the new release counts against it", async () => {
  const site = await overloaded("1.0.0");
  site.servers.overloaded = false;
  site.world.onEffect = (name) => {
    if (name === "start server") site.servers.overloaded = true;
  };
  const failed = await run(site, { kind: "deploy", version: "1.1.0" });
  assert.equal(failed.outcome, "failed");
  assert.ok(failed.problem!.exit >= 4);
});
