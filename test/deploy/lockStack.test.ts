import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { installationId, secretKey } from "../../scripts/state/secretKey.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { lockStack } from "../../scripts/deploy/lockStack.ts";
import { exampleSettings, rolloutOn } from "./simulation.ts";

const asked = { command: "deploy:dev", wait: false };

function place() {
  const settings = exampleSettings();
  return { settings, directory: stateDirectory(settings.stateDir, "dev") };
}

test("two state directories on one engine exclude each other, named by their installation", async () => {
  const { context } = rolloutOn({});
  const [one, two] = [place(), place()];
  const locked = await lockStack(one.settings, one.directory, asked, context);
  const problem = await lockStack(two.settings, two.directory, asked, context).then(
    () => assert.fail("both hold it"),
    (error: Problem) => error,
  );
  assert.equal(problem.code, "LOCKED");
  const id = installationId(secretKey(one.directory, context.randomBytes));
  assert.ok(problem.details.join().includes(id), problem.details.join());
  await locked.unlock();
  await (await lockStack(two.settings, two.directory, asked, context)).unlock();
});

test("who was refused at the engine does not keep the state directory", async () => {
  const { context, engine } = rolloutOn({});
  const { settings, directory } = place();
  const labels = { "letta-stack.lock": JSON.stringify({ lock: "x", pid: 1 }) };
  const name = `letta-stack-lock-${settings.project}`;
  engine.names.set(name, { id: "other", state: "running", labels });
  await assert.rejects(lockStack(settings, directory, asked, context), { code: "LOCKED" });
  engine.names.delete(name);
  await (await lockStack(settings, directory, asked, context)).unlock();
});

test("a run that lost its lock asks nothing of the engine any more, and says so", async () => {
  const { context, engine } = rolloutOn({});
  const { settings, directory } = place();
  const locked = await lockStack(settings, directory, asked, context);
  await locked.context.engine.containers(settings.project);
  engine.names.clear();
  const before = engine.calls.length;
  await assert.rejects(locked.context.engine.stop("any", 1), { code: "LOCK_LOST", exit: 5 });
  assert.equal(engine.calls.length, before);
  await locked.unlock();
});
