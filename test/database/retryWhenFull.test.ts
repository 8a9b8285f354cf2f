import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { retryWhenFull } from "../../scripts/database/psqlClient.ts";

const crowded =
  'psql: error: connection to server on socket "/x" failed: FATAL:  sorry, too many clients already';

test("where every connection is taken it is tried again until one is free", async () => {
  const said = [crowded, "FATAL:  remaining connection slots are reserved for …", ""];
  assert.equal(await retryWhenFull(async () => said.shift(), String), "");
  assert.deepEqual(said, []);
});

test("so it is where that was thrown, as a message or among the details", async () => {
  const faults = [
    new Error(crowded),
    new Problem("DATABASE_REFUSED", "x could not be dumped", { details: [crowded] }),
  ];
  const done = await retryWhenFull(async () => {
    const fault = faults.shift();
    if (fault) throw fault;
    return "done";
  });
  assert.equal(done, "done");
});

test("what fails otherwise fails at once", async () => {
  let calls = 0;
  const fails = () => {
    calls += 1;
    return Promise.reject(new Error("FATAL:  password authentication failed"));
  };
  await assert.rejects(retryWhenFull(fails), /password/);
  assert.equal(calls, 1);
  const answers = () => Promise.resolve(`ERROR:  42P01: relation ${(calls += 1)}`);
  assert.equal(await retryWhenFull(answers, String), "ERROR:  42P01: relation 2");
});

test("half a minute without a connection is reported as it is", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let calls = 0;
  const ended = retryWhenFull(async () => `${(calls += 1)} ${crowded}`, String);
  let isEnded = false;
  void ended.finally(() => (isEnded = true));
  while (!isEnded) {
    await new Promise((resolve) => setImmediate(resolve));
    context.mock.timers.tick(250);
  }
  assert.equal(await ended, `121 ${crowded}`);
});
