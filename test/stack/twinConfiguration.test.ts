import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import { twinConfiguration } from "../../scripts/stack/twinStack.ts";
import { backends } from "./backends.ts";
import { composed, readComposed } from "./composed.ts";

const twinOf = (text: string) => {
  const twin = twinConfiguration(text, "sink")!;
  return { twin, model: parse(twin.text, { version: "1.1" }) as ReturnType<typeof readComposed> };
};

test("of all ways out only the one under test is left, and it leads to the sink", () => {
  const { twin, model } = twinOf(composed("dev", backends["clickhouse+datadog"]));
  assert.deepEqual(Object.keys(model.exporters), ["clickhouse"]);
  assert.equal(model.exporters["clickhouse"]?.["endpoint"], "http://sink:8123");
  assert.deepEqual(readDelivery(twin.text).routes, [
    { exporter: "clickhouse", signal: "traces", timeoutMs: 10_000 },
  ]);
  assert.ok(!/datadog/.test(JSON.stringify([model.exporters, model.service])));
  assert.deepEqual([twin.kind, twin.user, twin.database], ["clickhouse", "letta", "otel"]);
});

test("the queue, the retries and the processors stay as they are in the stack", () => {
  for (const backend of ["clickhouse", "signoz"] as const) {
    const real = readComposed("prod", backends[backend]);
    const { twin, model } = twinOf(composed("prod", backends[backend]));
    for (const part of ["sending_queue", "retry_on_failure", "timeout"]) {
      assert.deepEqual(
        model.exporters[twin.exporter]?.[part],
        real.exporters[twin.exporter]?.[part],
      );
    }
    assert.deepEqual(model.extensions, real.extensions);
    assert.deepEqual(model.service.extensions, real.service.extensions);
    assert.deepEqual(model.processors, real.processors);
    assert.deepEqual(
      model.service.pipelines["traces"]?.processors,
      real.service.pipelines["traces"]?.processors,
    );
  }
});

test("SigNoz is stood for by OTLP without TLS", () => {
  const { twin, model } = twinOf(composed("prod", backends.signoz));
  assert.equal(twin.kind, "otlp");
  assert.deepEqual(model.exporters["otlp/signoz"]?.["tls"], { insecure: true });
  assert.equal(model.exporters["otlp/signoz"]?.["endpoint"], "sink:4317");
});

test("where nothing leaves the machine there is no twin", () => {
  assert.equal(twinConfiguration(composed("prod", backends.file), "sink"), undefined);
});
