import assert from "node:assert/strict";
import { test } from "node:test";
import { redaction } from "../../scripts/common/redaction.ts";
import { exporterWords } from "../../scripts/checks/checkTelemetryFlow.ts";

const route = { exporter: "clickhouse", signal: "traces", timeoutMs: 0 } as const;
/** A line of 0.96.0 about an exporter. */
const line = (time: string, exporter: string, signal: string, error: string) =>
  `2026-01-02T03:04:${time}Z\tinfo\texporterhelper/retry_sender.go:118\tExporting failed. Will retry the request after interval.\t` +
  JSON.stringify({ kind: "exporter", data_type: signal, name: exporter, error, interval: "5s" });
const words = (...lines: string[]) =>
  exporterWords(route, "any", Date.parse("2026-01-02T03:04:30Z"), {
    engine: { tail: async () => lines.join("\n") } as never,
    redact: redaction(["hunter22-secret"]),
  });

test("the last the collector said of this exporter and signal is reported, with its cause", async () => {
  const said = await words(
    line("01", "clickhouse", "traces", "dial tcp 10.0.0.2:8123: connect: connection refused"),
    line(
      "02",
      "clickhouse",
      "traces",
      "Code: 516. DB::Exception: Authentication failed (AUTHENTICATION_FAILED)",
    ),
    line("03", "clickhouse", "logs", "context deadline exceeded"),
    line("04", "datadog", "traces", "503 Service Unavailable"),
    "2026-01-02T03:04:05Z\tinfo\tservice/service.go:169\tEverything is ready.",
  );
  assert.match(said!, /^wrong key: .*516/);
});

test("where nothing was said of the signal, another's of the same exporter serves", async () => {
  const said = await words(line("01", "clickhouse", "logs", "dial tcp: lookup ch: no such host"));
  assert.match(said!, /^unreachable: .*no such host/);
});

test("secrets in an error do not come along, nor does it without end", async () => {
  const error = `http://u:hunter22-secret@ch:8123: connection refused ${"x".repeat(5000)}`;
  const said = await words(line("01", "clickhouse", "traces", error));
  assert.ok(!said!.includes("hunter22-secret"));
  assert.ok(said!.length < 500);
});

test("where the collector said nothing of the exporter, nothing is reported", async () => {
  assert.equal(await words(line("01", "datadog", "traces", "503 Service Unavailable")), undefined);
});

test("what was said of an earlier trouble is not reported", async () => {
  const old = line("01", "clickhouse", "traces", "connection refused").replace("03:04", "03:02");
  assert.equal(await words(old), undefined);
});

test("an error over several lines becomes one", async () => {
  const said = await words(line("01", "clickhouse", "traces", "connection refused\n  and more"));
  assert.match(said!, /\(connection refused and more\)$/);
});
