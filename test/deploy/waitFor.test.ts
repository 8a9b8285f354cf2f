import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import type { Inspected } from "../../scripts/docker/engine.ts";
import { waitFor } from "../../scripts/deploy/waitFor.ts";
import type { Behaviour, Simulation } from "../fakes/simulatedEngine.ts";
import { devStack, rolloutOn, type Rollout } from "./simulation.ts";

/** Starts one service that behaves like this and waits for it. */
async function waited(
  service: string,
  behaviour: Behaviour,
  parts: Partial<Simulation> = {},
  now?: () => number,
) {
  const on: Rollout = rolloutOn({ ...parts, behaviours: { [service]: behaviour } }, now);
  const known = devStack.services.find((one) => one.name === service)!;
  on.engine.put("p", {
    service,
    state: "created",
    health: known.kind === "job" ? "none" : "starting",
  });
  const [container] = await on.engine.containers("p");
  const before = await on.engine.inspect(container!.id);
  await on.engine.start(container!.id);
  const looked = on.engine.calls.length;
  const looks = () =>
    on.engine.calls.slice(looked).filter((one) => one.startsWith("inspect")).length;
  try {
    await waitFor(known, before, 60, on.context, on.context.signal);
    return { looks: looks(), problem: undefined };
  } catch (error) {
    return { looks: looks(), problem: error as Problem };
  }
}

test("a healthy service is waited for no longer than one look", async () => {
  assert.deepEqual(await waited("server", {}), { looks: 1, problem: undefined });
});

test("a service that is still starting is waited for", async () => {
  assert.deepEqual(await waited("server", { after: 2 }), { looks: 3, problem: undefined });
});

test("a job that ended well is done", async () => {
  assert.deepEqual(await waited("permissions", { after: 1 }), { looks: 2, problem: undefined });
});

test("an unhealthy service ends the wait at once, with its last lines and the next command", async () => {
  const { looks, problem } = await waited("server", { ends: "unhealthy", log: "one\ntwo" });
  assert.equal(looks, 1);
  assert.equal(problem?.code, "STEP_FAILED");
  assert.equal(problem?.message, "server is unhealthy");
  assert.deepEqual(problem?.details, ["one", "two"]);
  assert.equal(problem?.next, "npm run logs -- dev server");
});

test("a service that exits ends the wait at once, with its code", async () => {
  const { looks, problem } = await waited("server", { ends: 137 });
  assert.equal(looks, 1);
  assert.equal(problem?.message, "server stopped by itself (exit code 137)");
});

test("even a service that exits with 0 has stopped", async () => {
  const { problem } = await waited("server", { ends: 0 });
  assert.equal(problem?.code, "STEP_FAILED");
});

test("a job that failed ends the wait at once, with its code", async () => {
  const { looks, problem } = await waited("permissions", { ends: 3 });
  assert.equal(looks, 1);
  assert.equal(problem?.message, "permissions ended with exit code 3");
});

test("slow counts as broken after the limit, by the clock that was given", async () => {
  let ms = 0;
  const { looks, problem } = await waited("server", { after: 1000 }, {}, () => (ms += 31_000));
  assert.equal(looks, 2);
  assert.equal(problem?.message, "server is not healthy after 60 s");
});

test("what a health check said before says nothing of now; the same words from a new check do", async () => {
  const on = rolloutOn({});
  const postgres = devStack.services.find((one) => one.name === "postgres")!;
  on.engine.put("p", { service: "postgres", state: "running", health: "starting" });
  const [container] = await on.engine.containers("p");
  const healthOutput = "FATAL: password authentication failed";
  const before = { ...(await on.engine.inspect(container!.id)), healthOutput, healthAt: "1" };
  const waits = (...seen: Partial<Inspected>[]) => {
    const looks = [...seen];
    const inspect = () => Promise.resolve({ ...before, ...looks.shift() });
    const context = { ...on.context, engine: { ...on.engine, inspect } };
    return waitFor(postgres, before, 60, context, on.context.signal);
  };
  await waits({}, {}, { health: "healthy", healthOutput: "1", healthAt: "2" });
  await assert.rejects(waits({}, { healthAt: "2" }), /another password/);
});
