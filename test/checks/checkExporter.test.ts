import assert from "node:assert/strict";
import { test } from "node:test";
import { collectorMetrics, readMetrics } from "../../scripts/checks/collectorClient.ts";
import { checkExporter } from "../../scripts/checks/checkCollector.ts";
import type { ExporterTrouble } from "../../scripts/checks/explainExporter.ts";

const now = Date.parse("2026-01-01T12:00:00Z");

/** A collector that is up for an hour. */
function judged(counts: string, troubles: readonly Partial<ExporterTrouble>[] = []) {
  const metrics = collectorMetrics(readMetrics(`otelcol_process_uptime 3600\n${counts}`));
  const whole = troubles.map((one) => ({
    exporter: "clickhouse",
    signals: ["traces"],
    cause: "unreachable" as const,
    meaning: "nothing answers at the endpoint",
    said: "connection refused",
    at: "2026-01-01T11:59:30Z",
    times: 1,
    losesData: false,
    ...one,
  }));
  const seen = { exporter: "clickhouse", signals: ["traces"] as const, metrics, nowMs: now };
  return checkExporter({ ...seen, troubles: whole }, "on");
}

const sent = 'otelcol_exporter_sent_spans{exporter="clickhouse"} 7';

test("one that sends and has no trouble passes with its count", () => {
  const { outcome, detail } = judged(sent);
  assert.deepEqual([outcome, detail], ["passed", "7 items sent"]);
});

test("one to which nothing has come says nothing", () => {
  assert.equal(judged("").outcome, "skipped");
});

test("trouble of the last two minutes is there, older trouble is over", () => {
  const present = judged(sent, [{}]);
  assert.equal(present.outcome, "failed");
  assert.match(present.detail, /^unreachable: nothing answers .*connection refused/);
  const over = judged(sent, [{ at: "2026-01-01T11:30:00Z" }]);
  assert.equal(over.outcome, "passed");
  assert.match(over.detail, /over since 2026-01-01T11:30:00Z/);
});

test("of two troubles that are there, the one for which data is lost is reported", () => {
  const full = { cause: "queue disk full", losesData: true } as const;
  for (const both of [
    [full, {}],
    [{}, full],
  ]) {
    assert.match(judged(sent, both).detail, /^queue disk full: .*; it drops data for it; 7 items/);
  }
});

test("trouble of before its last start, and a time as seconds, are read as such", () => {
  const before = judged(sent, [{ at: "2026-01-01T10:00:00Z", losesData: true }]);
  assert.deepEqual([before.outcome, before.detail], ["passed", "7 items sent"]);
  assert.equal(judged(sent, [{ at: String(now / 1000 - 30) }]).outcome, "failed");
  assert.equal(judged(sent, [{ at: String(now / 1000 - 900) }]).outcome, "passed");
});

test("data that was lost since its start is a failure, however well it goes now", () => {
  const refused = `${sent}\notelcol_exporter_send_failed_spans{exporter="clickhouse"} 3`;
  assert.match(judged(refused).detail, /^data was lost .*3 could not be sent/);
  const full = `${sent}\notelcol_exporter_enqueue_failed_spans{exporter="clickhouse"} 2`;
  assert.match(judged(full).detail, /2 found the queue full/);
  const dropped = judged(sent, [{ at: "2026-01-01T11:30:00Z", losesData: true }]);
  assert.match(dropped.detail, /^data was lost .*last trouble at 2026-01-01T11:30:00Z/);
});
