import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { changesOf, devStack, roll, rolloutOn } from "./simulation.ts";
import { bundledClickHouse, exampleStack } from "../stack/exampleStack.ts";

const fresh = changesOf(devStack, "create");
const { project } = devStack;

test("a fresh start goes database, migration under its lock, permissions, collector, redis, server", async () => {
  const on = rolloutOn({});
  await roll(on, devStack, fresh);
  assert.deepEqual(on.engine.changes, [
    "create postgres migrate permissions collector redis server",
    "compose start postgres",
    "hold postgres",
    "start migrate",
    "release postgres",
    "start permissions",
    "compose start collector",
    "start redis",
    "start server",
  ]);
});

test("no one starts before what it waits for is there, however long that takes", async () => {
  const on = rolloutOn({
    behaviours: { postgres: { after: 3 }, migrate: { after: 2 }, collector: { after: 3 } },
  });
  await roll(on, devStack, fresh);
  const looksBefore = (service: string, start: string) =>
    on.engine.calls
      .slice(0, on.engine.calls.indexOf(start))
      .filter((one) => one === `inspect ${service}`).length;
  assert.ok(looksBefore("postgres", "start migrate") > 3);
  assert.ok(looksBefore("migrate", "start permissions") > 2);
  assert.ok(looksBefore("collector", "start server") > 3);
});

test("a migration that fails stops the rest, gives its lock back and shows its last lines", async () => {
  const on = rolloutOn({ behaviours: { migrate: { ends: 1, log: "a\nDuplicateTable" } } });
  await assert.rejects(roll(on, devStack, fresh), (error: Problem) => {
    assert.equal(error.code, "STEP_FAILED");
    assert.match(error.message, /^migrate ended with exit code 1$/);
    assert.deepEqual(error.details, ["a", "DuplicateTable"]);
    return true;
  });
  assert.deepEqual(on.engine.changes.slice(-2), ["start migrate", "release postgres"]);
  assert.deepEqual(on.steps.at(-1), { name: "migrations", seconds: 0, outcome: "failed" });
});

test("a collector that does not come up ends a start, but in an incident the server comes", async () => {
  const broken = { behaviours: { collector: { ends: 1 } } };
  const start = rolloutOn(broken);
  await assert.rejects(roll(start, devStack, fresh), { code: "STEP_FAILED" });
  assert.equal(start.engine.changes.at(-1), "compose start collector");
  const fast = rolloutOn(broken);
  await roll(fast, devStack, fresh, true);
  assert.equal(fast.engine.changes.at(-1), "start server");
});

test("nor does a bundled ClickHouse, without which an incident goes on", async () => {
  const stack = exampleStack("dev", bundledClickHouse);
  const on = rolloutOn({ behaviours: { clickhouse: { ends: 1 }, collector: { ends: 1 } } });
  await roll(on, stack, changesOf(stack, "create"), true);
  assert.ok(on.engine.changes.includes("compose start clickhouse"), on.engine.changes.join("\n"));
  assert.equal(on.engine.changes.at(-1), "start server");
});

test("permissions that cannot be set stop what needs them", async () => {
  const on = rolloutOn({ behaviours: { permissions: { ends: 2 } } });
  await assert.rejects(roll(on, devStack, fresh), { code: "STEP_FAILED" });
  assert.equal(on.engine.changes.at(-1), "start permissions");
});

test("what is replaced stops last one first, before anything new is made", async () => {
  const on = rolloutOn({});
  await roll(on, devStack, fresh);
  const before = on.engine.changes.length;
  const services = ["postgres", "collector", "server"];
  const changes = fresh.map((one) => ({
    ...one,
    action: services.includes(one.service) ? ("recreate" as const) : ("none" as const),
  }));
  await roll(on, devStack, changes);
  assert.deepEqual(on.engine.changes.slice(before), [
    "stop server",
    "stop collector",
    "stop postgres",
    "create postgres collector server",
    "compose start postgres",
    "compose start collector",
    "start server",
  ]);
});

test("a service that is as it should be is not touched", async () => {
  const on = rolloutOn({});
  await roll(on, devStack, fresh);
  const before = on.engine.changes.length;
  await roll(on, devStack, changesOf(devStack, "none"));
  assert.deepEqual(on.engine.changes.slice(before), []);
});

test("an unhealthy part is stopped and started, not made anew", async () => {
  const on = rolloutOn({});
  on.engine.put(project, { service: "server", health: "unhealthy" });
  const changes = [{ service: "server", action: "start" as const, causes: ["unhealthy"] }];
  await roll(on, devStack, changes);
  assert.deepEqual(on.engine.changes, ["stop server", "start server"]);
});

test("a database that is not healthy gets the present password before it is started again", async () => {
  const on = rolloutOn({});
  on.engine.put(project, { service: "postgres", health: "unhealthy" });
  await roll(on, devStack, [{ service: "postgres", action: "start", causes: ["unhealthy"] }]);
  const [exec, stop] = ["exec postgres", "stop postgres"].map((one) =>
    on.engine.calls.indexOf(one),
  );
  assert.ok(exec! >= 0 && exec! < stop!, on.engine.calls.join("\n"));
});

test("a service with files that someone stopped is started again, not judged by how it ended", async () => {
  const on = rolloutOn({});
  await roll(on, devStack, fresh);
  for (const one of await on.engine.containers(project)) {
    if (one.service === "collector") await on.engine.stop(one.id, 1);
  }
  await roll(on, devStack, [{ service: "collector", action: "start", causes: ["exited (0)"] }]);
  const collector = (await on.engine.containers(project)).find(
    (one) => one.service === "collector",
  );
  assert.equal(collector?.health, "healthy");
});

test("Compose's leftovers and parts of yesterday are removed", async () => {
  const on = rolloutOn({});
  on.engine.put(project, { service: "server", name: "0123456789ab_x-server-1", state: "exited" });
  on.engine.put(project, { service: "sidecar" });
  const remove = { service: "sidecar", action: "remove" as const, causes: [] };
  await roll(on, devStack, [...fresh, remove]);
  assert.deepEqual(on.engine.changes.slice(0, 3), [
    "stop sidecar",
    "remove server",
    "remove sidecar",
  ]);
});
