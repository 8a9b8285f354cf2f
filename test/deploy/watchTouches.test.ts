import assert from "node:assert/strict";
import { test } from "node:test";
import { foreseen, Problem } from "../../scripts/common/problem.ts";
import { watchTouches } from "../../scripts/deploy/session.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

const refusal = new Problem("RELEASE_UNKNOWN", "expected a good release, got none");

/** A stack whose server and database run. */
async function watched() {
  const engine = simulatedEngine({});
  for (const service of ["server", "postgres"]) engine.put("ours", { service, state: "running" });
  const touches = watchTouches(engine, "ours");
  const [server] = await touches.engine.containers("ours");
  return { touches, server: server!.id };
}

function truthful(reported: unknown, code: string, exit: number): Problem {
  assert.ok(reported instanceof Problem);
  assert.deepEqual([reported.code, reported.exit], [code, exit]);
  return reported;
}

test("a refusal with nothing touched stays as it is", async () => {
  const { touches, server } = await watched();
  await touches.engine.start(server);
  assert.equal(touches.truthful(refusal), refusal);
});

test("a refusal after a container was stopped ends with 5 and says what was done", async () => {
  const { touches, server } = await watched();
  await touches.engine.stop(server, 1);
  const reported = truthful(touches.truthful(refusal), "STEP_FAILED", 5);
  assert.match(reported.details.join("\n"), /stop server/);
  assert.equal(reported.message, refusal.message);
});

test("a refusal after a verified recovery ends with 4, and with 5 once more is touched", async () => {
  const { touches, server } = await watched();
  await touches.engine.stop(server, 1);
  touches.settled("1.0.0 serves again");
  const reported = truthful(touches.truthful(refusal), "ROLLED_BACK", 4);
  assert.match(reported.details.join("\n"), /1\.0\.0 serves again/);
  await touches.engine.remove(server);
  truthful(touches.truthful(refusal), "STEP_FAILED", 5);
});

test("Ctrl-C and an engine that went away are reported truly too, a bug stays a bug", async () => {
  const { touches, server } = await watched();
  await touches.engine.stop(server, 1);
  const interrupted = Object.assign(new Error("aborted"), { name: "AbortError" });
  assert.doesNotMatch(
    truthful(touches.truthful(interrupted), "STEP_FAILED", 5).message,
    /anything/,
  );
  const gone = Object.assign(new Error("gone"), { syscall: "connect", code: "ENOENT" });
  truthful(touches.truthful(gone), "STEP_FAILED", 5);
  const bug = new TypeError("x is not a function");
  assert.equal(touches.truthful(bug), bug);
});

test("what is done to containers of other projects is no touch", async () => {
  const { touches } = await watched();
  await touches.engine.down("ours-rehearsal", true);
  assert.equal(touches.truthful(refusal), refusal);
});

test("an engine whose disk is full is a refusal, unless something was touched before", async () => {
  const { touches, server } = await watched();
  const message = "(HTTP code 500) server error - mkdir /x: no space left on device";
  const full = Object.assign(new Error(message), { statusCode: 500 });
  truthful(foreseen(touches.truthful(full)), "DISK_TOO_SMALL", 3);
  await touches.engine.stop(server, 1);
  const reported = truthful(touches.truthful(full), "STEP_FAILED", 5);
  assert.match(reported.message, /no space left on device/);
});
