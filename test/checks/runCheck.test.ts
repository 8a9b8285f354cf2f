import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { passed, runCheck } from "../../scripts/checks/check.ts";

test("a check that throws has failed, with the command that the problem names or the other one", async () => {
  const problem = new Problem("PORT_TAKEN", "taken", { details: ["by nginx"], next: "stop it" });
  const thrown = (error: Error) =>
    runCheck(
      "one",
      () => {
        throw error;
      },
      "the other one",
    );
  const own = await thrown(problem);
  assert.deepEqual([own.outcome, own.detail, own.next], ["failed", "taken; by nginx", "stop it"]);
  const bare = await thrown(new Error("no"));
  assert.deepEqual([bare.outcome, bare.detail, bare.next], ["failed", "no", "the other one"]);
});

test("what was found gets its name", async () => {
  const found = await runCheck("one", () => passed("seen", ["more"]), "none");
  assert.deepEqual(found, {
    name: "one",
    outcome: "passed",
    detail: "seen",
    next: null,
    notes: ["more"],
  });
});
