import assert from "node:assert/strict";
import { test } from "node:test";
import { checkParameters } from "../../scripts/checks/checkTelemetrySettings.ts";
import { checkPrivacy } from "../../scripts/checks/checkClickHouse.ts";

test("prod takes out bodies, parameters and prompts, or the check says which it lets pass", () => {
  assert.equal(checkPrivacy("prod", "").outcome, "failed");
  const { outcome, detail } = checkPrivacy("prod", "^http\\.request\\.body");
  assert.equal(outcome, "failed");
  assert.ok(!detail.includes("http.request.body"), detail);
  assert.match(detail, /parameter\.request_data, .*request_data, response_data/);
});

test("what is proposed takes all of them out", () => {
  const { next } = checkPrivacy("staging", "");
  const [, pattern = ""] = / in env\/staging\.env to (.+)$/.exec(next!) ?? [];
  assert.equal(checkPrivacy("staging", pattern).outcome, "passed");
});

test("dev keeps them and says so", () => {
  const { outcome, detail } = checkPrivacy("dev", "");
  assert.equal(outcome, "passed");
  assert.match(detail, /^retained in dev/);
});

test("what is dropped on purpose is reported: by the server, by the settings, by sampling", () => {
  const notes = checkParameters("^http", "20").notes.join("\n");
  assert.match(notes, /agent_state, messages/);
  assert.match(notes, /2 MiB.*4 MiB/);
  assert.match(notes, /keeps 20 of a hundred/);
  assert.doesNotMatch(checkParameters("", "100").notes.join("\n"), /of a hundred/);
});
