import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnoseLoopback } from "../../scripts/checks/checkAdvisories.ts";

const ports = ["collector 127.0.0.1:4317", "grafana 127.0.0.1:3000"];

test("ports at 127.0.0.1 are this host's alone from engine 28 on", () => {
  for (const engine of ["28.0.0", "28.2.2", "29.1.0-rc.1", "28.0.1+dfsg1-2"])
    assert.equal(diagnoseLoopback(engine, ports, true).outcome, "passed", engine);
  for (const engine of ["25.0.0", "26.1.5+dfsg1", "27.5.1", "", "unknown"])
    assert.equal(diagnoseLoopback(engine, ports, true).outcome, "failed", engine);
});

test("before that each port is named; a developer's machine is reported and not judged", () => {
  const { detail, next, notes } = diagnoseLoopback("26.1.5+dfsg1", ports, true);
  assert.match(detail, /expected engine 28\.0\.0 or later, got 26\.1\.5/u);
  assert.equal(typeof next, "string");
  assert.deepEqual(notes.slice(0, 2), ports);
  assert.equal(diagnoseLoopback("26.1.5", ports, false).outcome, "skipped");
  assert.equal(diagnoseLoopback("26.1.5", [], true).outcome, "passed");
});
