import assert from "node:assert/strict";
import { test } from "node:test";
import { signals } from "../../scripts/stack/readDelivery.ts";
import { collectorMetrics, readMetrics } from "../../scripts/checks/collectorClient.ts";
import { checkRoute } from "../../scripts/checks/watchRoutes.ts";
import { recorded, recordedExporters, type RecordedVersion } from "./recorded.ts";

const route = { exporter: "clickhouse", signal: "traces", timeoutMs: 10_000 } as const;

/** A collector's own figures, in the names of 0.96.0. */
function figures(given: Readonly<Record<string, number>>) {
  const all = { uptime: 100, ...given };
  const names: Readonly<Record<string, string>> = {
    uptime: "process_uptime",
    sent: 'exporter_sent_spans{exporter="clickhouse"}',
    failed: 'exporter_send_failed_spans{exporter="clickhouse"}',
    notQueued: 'exporter_enqueue_failed_spans{exporter="clickhouse"}',
    queue: 'exporter_queue_size{exporter="clickhouse"}',
    refused: 'receiver_refused_spans{receiver="otlp"}',
    others: 'exporter_sent_spans{exporter="file/traces"}',
  };
  const lines = Object.entries(all).map(([name, value]) => `otelcol_${names[name]} ${value}`);
  return collectorMetrics(readMetrics(lines.join("\n")));
}
const judge = (before: Readonly<Record<string, number>>, now: Readonly<Record<string, number>>) =>
  checkRoute(route, figures(before), figures({ uptime: 101, ...now }));

for (const [version, exporter] of Object.entries(recordedExporters) as [
  RecordedVersion,
  string,
][]) {
  test(`what a real collector ${version} showed around a canary is a delivery`, () => {
    for (const signal of signals) {
      const [before, after] = [recorded(version, "before"), recorded(version, "after")];
      const detail = "1 sent, 0 failed, 0 refused, queue 0";
      const verdict = checkRoute({ exporter, signal, timeoutMs: 0 }, before, after);
      assert.deepEqual(verdict, { state: "delivered", detail });
    }
  });
}

test("what a real collector showed whose sink is out of reach is none: nothing failed, nothing sent", () => {
  const [before, after] = [recorded("0.161.0", "before"), recorded("0.161.0", "stuck")];
  const way = { exporter: recordedExporters["0.161.0"], signal: "logs", timeoutMs: 0 } as const;
  const detail = "expected 1 or more sent, got 0 (queue 1)";
  assert.deepEqual(checkRoute(way, before, after), { state: "waiting", detail });
});

test("nothing sent is waited for, and how much waits in the queue is said", () => {
  const { state, detail } = judge({ sent: 4 }, { sent: 4, queue: 2 });
  assert.equal(state, "waiting");
  assert.equal(detail, "expected 1 or more sent, got 0 (queue 2)");
});

test("what another exporter sent is no delivery of this one", () => {
  assert.equal(judge({}, { others: 5 }).state, "waiting");
});

test("a queue above its baseline is waited for, one that was not empty before may stay so", () => {
  assert.equal(judge({ queue: 1 }, { sent: 1, queue: 2 }).state, "waiting");
  assert.equal(judge({ queue: 3 }, { sent: 1, queue: 3 }).state, "delivered");
});

for (const fault of ["failed", "notQueued", "refused"]) {
  test(`${fault}: one item lost on the way is a failure, whatever was sent; an old loss is none`, () => {
    const { state, detail } = judge({ [fault]: 1 }, { [fault]: 2, sent: 9 });
    assert.equal(state, "lost");
    assert.match(detail, /expected none lost, got .*\b1 \w+.*\(9 sent\)/);
    assert.equal(judge({ [fault]: 1 }, { [fault]: 1, sent: 9 }).state, "delivered");
  });
}

test("a collector that started again is a failure, though its counters say delivered", () => {
  const verdict = judge({ uptime: 50 }, { uptime: 2, sent: 1 });
  assert.equal(verdict.state, "restarted");
  assert.match(verdict.detail, /started again \(up 50.0 s, then up 2.0 s\)/);
});
