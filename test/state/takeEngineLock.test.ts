import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import type { NameTaken } from "../../scripts/docker/engine.ts";
import { takeEngineLock, type EngineHolder } from "../../scripts/state/takeEngineLock.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

const name = "letta-stack-lock-shop";

function holder(command: string): EngineHolder {
  const since = "2026-01-02T03:04:05.000Z";
  return { command, since, installation: "i1", pid: 42, host: hostname(), user: "ann" };
}

function left(state: NameTaken["state"], labels: NameTaken["labels"]): Record<string, NameTaken> {
  return { [name]: { id: "left", state, labels } };
}

const signed = {
  "letta-stack.lock": JSON.stringify({ lock: name, ...holder("deploy:prod") }),
  "letta-stack.installation": "i1",
};

const refused = (work: Promise<unknown>) =>
  work.then(
    () => assert.fail("it was not refused"),
    (error: Problem) => error,
  );

test("the second run learns who holds the stack, from where, since when and doing what", async () => {
  const engine = simulatedEngine();
  const held = await takeEngineLock(engine, "shop", holder("deploy:prod"), { wait: false });
  const problem = await refused(takeEngineLock(engine, "shop", holder("up"), { wait: false }));
  assert.deepEqual([problem.code, problem.exit], ["LOCKED", 6]);
  assert.match(problem.message, /^deploy:prod of ann .* since 2026-01-02.* \(pid 42 on /);
  assert.ok(problem.message.includes(hostname()));
  assert.match(problem.details.join(), /letta-stack-lock-shop.* installation i1/);
  await held.release();
  await (await takeEngineLock(engine, "shop", holder("up"), { wait: false })).release();
});

test("two projects on one engine do not exclude each other", async () => {
  const engine = simulatedEngine();
  await takeEngineLock(engine, "shop", holder("up"), { wait: false });
  await takeEngineLock(engine, "blog", holder("up"), { wait: false });
  assert.deepEqual([...engine.names.keys()].sort(), ["letta-stack-lock-blog", name]);
});

test("a waiting run reports once whom it waits for, and goes on when that one ends", async () => {
  const engine = simulatedEngine({ names: left("running", signed) });
  const seen: unknown[] = [];
  const onWait = (one: { command: string } | undefined) => {
    seen.push(one?.command);
    setTimeout(() => engine.names.delete(name), 700);
  };
  await takeEngineLock(engine, "shop", holder("up"), { wait: true, onWait });
  assert.deepEqual(seen, ["deploy:prod"]);
});

test("a killed holder's container that is still ending is waited for, not refused", async () => {
  const engine = simulatedEngine({ names: left("running", signed) });
  setTimeout(() => engine.names.delete(name), 300);
  await takeEngineLock(engine, "shop", holder("up"), { wait: false });
});

for (const state of ["created", "exited"] as const) {
  test(`a lock that its holder left ${state} is cleared`, async () => {
    const engine = simulatedEngine({ names: left(state, signed) });
    await takeEngineLock(engine, "shop", holder("up"), { wait: false });
    assert.notEqual(engine.names.get(name)?.id, "left");
  });
}

test("a lock that is made now and started a little later is no leftover", async () => {
  const engine = simulatedEngine({ names: left("created", signed) });
  setTimeout(() => engine.names.set(name, left("running", signed)[name]!), 1_000);
  const problem = await refused(takeEngineLock(engine, "shop", holder("up"), { wait: false }));
  assert.equal(problem.code, "LOCKED");
  assert.equal(engine.names.get(name)?.id, "left");
});

test("a container of others under the lock's name is named, and stays", async () => {
  const engine = simulatedEngine({ names: left("exited", {}) });
  const problem = await refused(takeEngineLock(engine, "shop", holder("up"), { wait: true }));
  assert.equal(problem.code, "LOCKED");
  assert.ok(problem.next!.includes(name));
  assert.equal(engine.names.get(name)?.id, "left");
});

test("what a lock says of its holder cannot move the terminal's cursor", async () => {
  const said = JSON.stringify({ lock: name, ...holder("up\u001B[2J") });
  const engine = simulatedEngine({ names: left("running", { "letta-stack.lock": said }) });
  const problem = await refused(takeEngineLock(engine, "shop", holder("up"), { wait: false }));
  assert.ok(!problem.message.includes("\u001B"), problem.message);
});
