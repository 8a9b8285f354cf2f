import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCollectorContainer } from "../../scripts/checks/checkCollector.ts";

const next = { bringUp: "up", logs: "logs" };
const healthy = {
  name: "c",
  state: "running",
  health: "healthy",
  exitCode: undefined,
  restarts: 0,
} as const;

test("a collector of another version than the one set has not been rolled out", () => {
  const judged = (version: string | undefined) =>
    checkCollectorContainer({ inspected: healthy, version, log: [] }, "0.96.0", next);
  assert.equal(judged("0.96.0").outcome, "passed");
  assert.equal(judged(undefined).outcome, "passed");
  const { outcome, next: way } = judged("0.95.0");
  assert.deepEqual([outcome, way], ["failed", "up"]);
});

test("one that ended says how, in its own words where it wrote any", () => {
  const ended = (exitCode: number, log: string[] = []) =>
    checkCollectorContainer(
      { inspected: { ...healthy, state: "restarting", exitCode }, version: undefined, log },
      "0.96.0",
      next,
    );
  assert.match(ended(137).detail, /^restarting with 137: killed: its memory ran out/);
  assert.equal(ended(0).next, "up");
  const words =
    'Error: cannot start pipelines: failed to start "clickhouse" exporter: create database: dial tcp: lookup ch: no such host';
  assert.match(
    ended(1, ["2024/03/04 started", words]).detail,
    /clickhouse unreachable: nothing answers/,
  );
  assert.match(ended(2, ["panic: assertion failed"]).detail, /: panic: assertion failed$/);
});

test("one that is seen between two ends has failed, one that came up in the end has not", () => {
  const words = "Error: cannot start pipelines: create database: dial tcp: lookup ch: no such host";
  const judged = (...log: string[]) =>
    checkCollectorContainer(
      { inspected: { ...healthy, restarts: 3 }, version: "0.96.0", log },
      "0.96.0",
      next,
    );
  const ends = judged("Everything is ready.", words, "Starting extensions...");
  assert.equal(ends.outcome, "failed");
  assert.match(ends.detail, /^started again 3 times by the engine, and ends: unreachable: nothing/);
  const came = judged(words, "Everything is ready.");
  assert.equal(came.detail, "0.96.0, healthy, started again 3 times by the engine");
});

test("one that runs and is not healthy has failed", () => {
  const inspected = { ...healthy, health: "unhealthy" } as const;
  const seen = { inspected, version: "0.96.0", log: [] };
  assert.equal(checkCollectorContainer(seen, "0.96.0", next).outcome, "failed");
});
