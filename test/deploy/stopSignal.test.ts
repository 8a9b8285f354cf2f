import assert from "node:assert/strict";
import { test } from "node:test";
import { stopSignal } from "../../scripts/deploy/replaceServer.ts";

const server = { service: "server", state: "running", health: "healthy" } as const;
const collector = { service: "collector", state: "running", health: "healthy" } as const;

test("a server sends its last spans where every collector there is takes them", () => {
  assert.equal(stopSignal([server, collector]), "SIGINT");
  const second = { ...collector, service: "collector-2" };
  assert.equal(stopSignal([server, collector, second]), "SIGINT");
});

test("it does not try for ever where none does", () => {
  assert.equal(stopSignal([server]), "SIGTERM");
  for (const isOffline of [
    { state: "exited" },
    { state: "paused" },
    { health: "unhealthy" },
  ] as const) {
    assert.equal(stopSignal([server, collector, { ...collector, ...isOffline }]), "SIGTERM");
  }
});
