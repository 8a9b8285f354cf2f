import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  checkLatency,
  cpuSeconds,
  type Pace,
  queueFills,
} from "../../scripts/checks/checkCollector.ts";
import { readMetrics } from "../../scripts/checks/collectorClient.ts";

const easy: Pace = {
  serverMs: 5000,
  batchMs: 10_000,
  cpuShare: 0.02,
  residentBytes: 100 * 1024 ** 2,
  memoryLimit: 1536 * 1024 ** 2,
  refused: 0,
  queues: [{ exporter: "clickhouse", size: 0, capacity: 2000 }],
};
const judged = (otherwise: Partial<Pace>) => checkLatency({ ...easy, ...otherwise }, "prod");

test("a collector at ease tells how long telemetry may take as set", () => {
  const { outcome, detail } = judged({});
  assert.equal(outcome, "passed");
  assert.match(
    detail,
    /^up to 15 s as set: 5 s at the server, 10 s for a batch; 2 % of its CPUs; 7 %/,
  );
});

test("each cause of delay is reported with the setting that changes it", () => {
  const next = (otherwise: Partial<Pace>) => judged(otherwise).next;
  assert.match(next({ batchMs: 60_000 })!, /OTEL_BATCH_TIMEOUT$/);
  assert.match(next({ refused: 1 })!, /COLLECTOR_MEMORY$/);
  assert.match(next({ residentBytes: 1300 * 1024 ** 2 })!, /COLLECTOR_MEMORY$/);
  assert.match(next({ cpuShare: 0.95 })!, /COLLECTOR_REPLICAS$/);
  const queues = [{ exporter: "clickhouse", size: 9, capacity: 2000 }];
  assert.match(judged({ queues }).detail, /wait for their sink: clickhouse 9/);
});

for (const version of ["0.96.0", "0.161.0"]) {
  test(`what ${version} says of its CPU and its queues is read`, () => {
    const file = new URL(`../checks/metrics/${version}-after.txt`, import.meta.url);
    const samples = readMetrics(readFileSync(file, "utf8"));
    assert.ok(cpuSeconds(samples)! > 0);
    const fills = queueFills(samples);
    assert.ok(fills.length > 0);
    for (const { exporter, capacity } of fills) assert.ok(capacity > 0, exporter);
  });
}
