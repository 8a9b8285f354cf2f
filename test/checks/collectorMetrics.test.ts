import assert from "node:assert/strict";
import { test } from "node:test";
import { collectorMetrics, readMetrics } from "../../scripts/checks/collectorClient.ts";
import { recorded, recordedExporters, type RecordedVersion } from "./recorded.ts";

const read = (text: string) => collectorMetrics(readMetrics(text));

for (const [version, sink] of Object.entries(recordedExporters) as [RecordedVersion, string][]) {
  for (const signal of ["traces", "metrics", "logs"] as const) {
    test(`${version}: ${signal} were sent once by each exporter between the two looks, none before`, () => {
      for (const exporter of [sink, `file/${signal}`]) {
        const before = recorded(version, "before").exported(exporter, signal);
        assert.deepEqual(before, { sent: 0, failed: 0, notQueued: 0, queued: 0 });
        const after = recorded(version, "after").exported(exporter, signal);
        assert.deepEqual(after, { sent: 1, failed: 0, notQueued: 0, queued: 0 });
      }
      assert.equal(recorded(version, "after").refused(signal), 0);
    });
  }

  test(`${version}: uptime, memory and batches are known`, () => {
    const [before, after] = [recorded(version, "before"), recorded(version, "after")];
    assert.ok(before.uptimeSeconds! > 0 && before.uptimeSeconds! < after.uptimeSeconds!);
    assert.ok(
      after.residentBytes! > 20e6 && after.residentBytes! < 500e6,
      `${after.residentBytes}`,
    );
    assert.deepEqual(after.batches, { sent: 3, items: 3, byTimeout: 3, bySize: 0 });
  });
}

test("names are known with and without a counter's ending, its unit, and 0.130.0's doubled unit", () => {
  for (const name of ["sent_spans", "sent_spans_total", "sent_spans__spans_total"]) {
    const metrics = read(`otelcol_exporter_${name}{exporter="x"} 4`);
    assert.equal(metrics.exported("x", "traces").sent, 4, name);
  }
  assert.equal(read("otelcol_process_uptime_seconds_total 7").uptimeSeconds, 7);
  assert.equal(read("otelcol_process_memory_rss_bytes 9").residentBytes, 9);
});

test("a failure that is distinguished by more labels counts in full", () => {
  const text = `otelcol_exporter_send_failed_spans{exporter="x",server_port="1"} 2
otelcol_exporter_send_failed_spans{exporter="x",server_port="2"} 3
otelcol_exporter_send_failed_spans{exporter="y"} 5`;
  assert.equal(read(text).exported("x", "traces").failed, 5);
});

test("a queue is its signal's where the version tells them apart, else the exporter's", () => {
  const apart = `otelcol_exporter_queue_size{data_type="logs",exporter="x"} 6
otelcol_exporter_queue_size{data_type="traces",exporter="x"} 1`;
  assert.equal(read(apart).exported("x", "traces").queued, 1);
  assert.equal(
    read('otelcol_exporter_queue_size{exporter="x"} 6').exported("x", "traces").queued,
    6,
  );
});

test("what the memory limiter turns away is refused under its old name and its new one", () => {
  for (const name of ["processor_refused", "processor_memory_limiter_refused"]) {
    assert.equal(
      read(`otelcol_${name}_log_records{processor="memory_limiter"} 2`).refused("logs"),
      2,
    );
  }
  assert.equal(read('otelcol_receiver_refused_spans{receiver="otlp"} 2').refused("traces"), 2);
  assert.equal(read('otelcol_receiver_refused_spans{receiver="otlp"} 2').refused("logs"), 0);
});

test("a collector that has exported nothing yet shows no series, and that is nothing sent", () => {
  const metrics = read("");
  assert.equal(metrics.exported("x", "traces").sent, 0);
  assert.equal(metrics.uptimeSeconds, undefined);
});
