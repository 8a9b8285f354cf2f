import assert from "node:assert/strict";
import { test } from "node:test";
import { checkServer, readAccessLog, type ServerNow } from "../../scripts/deploy/checkServer.ts";

const well = { seconds: 0.05, failure: undefined };
const failed = { seconds: 0.1, failure: "expected 200 from /v1/agents/?limit=1, got 500" };
const silent = { seconds: 5, failure: "http://127.0.0.1:8283/v1/agents/: no answer within 5 s" };
const now = (over: Partial<ServerNow>): ServerNow => ({
  reads: [well, well, well],
  requests: undefined,
  connections: { used: 12, most: 97 },
  ...over,
});
const requests = (all: number, errors: number) => ({
  fromMs: 0,
  toMs: 60_000,
  requests: all,
  errors,
  p95Ms: 80,
});

test("a server that answers is fine, and nothing is said", () => {
  assert.deepEqual(checkServer(now({})), { state: "fine", lines: [], failures: [] });
  assert.equal(checkServer(now({ requests: requests(500, 2) })).state, "fine");
});

test("most reads of our own fail: it fails, in the ways that were seen", () => {
  const seen = checkServer(now({ reads: [failed, silent, well] }));
  assert.equal(seen.state, "failing");
  assert.deepEqual(seen.failures, ["5xx", "no answer"]);
  assert.match(seen.lines.join(), /2 of 3 reads failed: expected 200 from .* got 500/);
});

test("real requests fail where our own reads got through", () => {
  const seen = checkServer(now({ requests: requests(100, 40) }));
  assert.deepEqual([seen.state, seen.failures], ["failing", ["5xx"]]);
  assert.match(seen.lines.join(), /40 of 100 requests failed/);
  assert.equal(checkServer(now({ requests: requests(5, 5) })).state, "fine");
});

test("no connection left counts as failing, before a server that needs one is started", () => {
  const seen = checkServer(now({ connections: { used: 96, most: 97 } }));
  assert.equal(seen.state, "failing");
  assert.match(seen.lines.join(), /1 of 97 connections left/);
  assert.equal(checkServer(now({ connections: undefined })).state, "fine");
});

test("slow is no failure", () => {
  const seen = checkServer(now({ reads: [well, { seconds: 3, failure: undefined }, well] }));
  assert.deepEqual([seen.state, seen.failures], ["slow", []]);
});

test("an access log tells of the last minute, without this tool's requests and health checks", () => {
  const at = Date.parse("2026-11-30T08:00:00Z");
  const line = (secondsAgo: number, status: number, more: object = {}) =>
    JSON.stringify({
      level: "info",
      ts: new Date(at - secondsAgo * 1000).toISOString(),
      request: { uri: "/v1/agents/" },
      status,
      duration: 0.25,
      user_agent: "python-httpx",
      ...more,
    });
  const log = [
    '"duration":0.2,"status":500}',
    line(90, 500),
    line(30, 500),
    line(20, 200),
    line(10, 503, { user_agent: "letta-stack-check/1" }),
    line(5, 500, { request: { uri: "/v1/health/" } }),
    "",
  ].join("\n");
  const seen = readAccessLog(log, at)!;
  assert.deepEqual([seen.requests, seen.errors, seen.p95Ms], [2, 1, 250]);
  assert.equal(readAccessLog("", at), undefined);
  // A release that failed answered before the present one served.
  const own = readAccessLog(log, at, at - 25_000)!;
  assert.deepEqual([own.requests, own.errors, own.fromMs], [1, 0, at - 25_000]);
});
