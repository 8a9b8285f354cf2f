import assert from "node:assert/strict";
import { test } from "node:test";
import { applySteps, triedVersions, versionSteps } from "../../scripts/stack/versionSteps.ts";
import { backends } from "./backends.ts";
import { readComposed } from "./composed.ts";

const changed = { ...backends.clickhouse, OTEL_LOG_FILE: "true" };
const at = (version: string) => readComposed("prod", changed, { version });

test("for 0.96.0 nothing is changed", () => {
  const configuration = { exporters: { clickhouse: {} }, on_error: "send" };
  assert.deepEqual(applySteps(configuration, "0.96.0"), configuration);
});

test("its own metrics are given out at an address until 0.110, by a reader from 0.111 on", () => {
  assert.deepEqual(at("0.110.0").service.telemetry.metrics, { address: "0.0.0.0:8888" });
  for (const version of ["0.111.0", triedVersions.newest]) {
    const { metrics } = at(version).service.telemetry;
    assert.deepEqual(Object.keys(metrics), ["readers"]);
    assert.match(JSON.stringify(metrics), /"host":"0\.0\.0\.0","port":8888/);
  }
});

test("inserts into ClickHouse wait for their rows where later versions would not", () => {
  assert.equal(at("0.103.0").exporters["clickhouse"]?.["async_insert"], undefined);
  assert.equal(at("0.106.0").exporters["clickhouse"]?.["async_insert"], false);
});

test("lines that cannot be parsed are passed on quietly as soon as that is possible", () => {
  const reported = (version: string) => {
    const { operators } = at(version).receivers["filelog"]!;
    return new Set((operators as { on_error?: string }[]).map((one) => one.on_error));
  };
  assert.deepEqual(reported("0.99.0"), new Set(["send", undefined]));
  assert.deepEqual(reported("0.100.0"), new Set(["send_quiet", undefined]));
});

test("ids stay the same at every version: queues and offsets are files named after them", () => {
  const ids = (version: string) => {
    const { receivers, exporters, extensions } = at(version);
    return [receivers, exporters, extensions].flatMap((one) => Object.keys(one));
  };
  for (const { version } of versionSteps.filter((step) => !/^0\.10[45]\./.test(step.version))) {
    assert.deepEqual(ids(version), ids("0.96.0"), version);
  }
});

test("a configuration without what a step changes stays as it is", () => {
  const bare = { service: { pipelines: {} } };
  assert.deepEqual(applySteps(bare, triedVersions.newest), bare);
});
