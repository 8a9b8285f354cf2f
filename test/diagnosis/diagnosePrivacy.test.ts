import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnoseParameters } from "../../scripts/diagnosis/diagnoseParameters.ts";
import { diagnosePrivacy } from "../../scripts/diagnosis/diagnosePrivacy.ts";

test("prod takes out bodies, parameters and prompts, or is told which it lets pass", () => {
  assert.equal(diagnosePrivacy("prod", "").outcome, "failed");
  const { outcome, detail } = diagnosePrivacy("prod", "^http\\.request\\.body");
  assert.equal(outcome, "failed");
  assert.ok(!detail.includes("http.request.body"), detail);
  assert.match(detail, /parameter\.request_data, .*request_data, response_data/);
});

test("what is proposed takes all of them out", () => {
  const { next } = diagnosePrivacy("staging", "");
  const [, pattern = ""] = / in env\/staging\.env to (.+)$/.exec(next!) ?? [];
  assert.equal(diagnosePrivacy("staging", pattern).outcome, "passed");
});

test("dev keeps them and says so", () => {
  const { outcome, detail } = diagnosePrivacy("dev", "");
  assert.equal(outcome, "passed");
  assert.match(detail, /^kept in dev/);
});

test("what is cut on purpose is told: by the server, by the settings, by sampling", () => {
  const notes = diagnoseParameters("^http", "20").notes.join("\n");
  assert.match(notes, /agent_state, messages/);
  assert.match(notes, /2 MiB.*4 MiB/);
  assert.match(notes, /keeps 20 of a hundred/);
  assert.doesNotMatch(diagnoseParameters("", "100").notes.join("\n"), /of a hundred/);
});
