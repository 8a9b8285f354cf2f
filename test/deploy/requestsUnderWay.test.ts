import assert from "node:assert/strict";
import { test } from "node:test";
import { requestsUnderWay } from "../../scripts/deploy/proxyControl.ts";

// As Caddy 2.11 answered while three requests were with the server, two with it under the name of
// its container, and one waited.
const seen = [
  { address: "unix//tmp/admin.sock", num_requests: 1, fails: 0 },
  { address: "{file./gate/held}:8283", num_requests: 1, fails: 0 },
  { address: "{file./gate/open}:8283", num_requests: 2, fails: 0 },
  { address: "server:8283", num_requests: 3, fails: 0 },
];

test("what reached the server counts, however it was called; what waits does not", () => {
  assert.equal(requestsUnderWay(JSON.stringify(seen)), 5);
  assert.equal(requestsUnderWay("[]"), 0);
});
