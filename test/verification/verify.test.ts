import assert from "node:assert/strict";
import test from "node:test";
import type { Engine } from "../../scripts/engine/engine.ts";
import type { Expectation } from "../../scripts/verification/expectation.ts";
import { verify } from "../../scripts/verification/verify.ts";

// A stack of which nothing runs: what is proven of it must be nothing.
const nothing: Expectation = {
  project: "nobody",
  collector: "collector",
  healthPort: 1,
  grpcPort: 1,
  httpPort: 1,
  serverUrl: "http://127.0.0.1:1",
  serverName: undefined,
  server: {
    service: "server",
    migrate: "migrate",
    versionPath: "/v1/health/",
    versionField: "version",
    readPath: "/v1/agents/?limit=1",
    revisionQuery: "",
    history: [],
    downgrade: [],
    quiet: [],
    smoke: [],
    repairs: [],
  },
  version: "0.16.8",
  password: undefined,
  sink: "file",
  grafana: undefined,
};
const tools = {
  engine: { containers: async () => [] } as Partial<Engine> as Engine,
  now: () => 0,
  randomId: () => "0123456789abcdef",
};
const outcomes = async (expected: Expectation) =>
  Object.fromEntries((await verify(expected, tools)).map((one) => [one.name, one.outcome]));

test("where nothing runs, every check fails, and the one that cannot be made is skipped", async () => {
  assert.deepEqual(await outcomes(nothing), {
    "collector healthy": "failed",
    "server version": "failed",
    "database read": "failed",
    "OTLP gRPC": "failed",
    "OTLP HTTP": "failed",
    "canary trace": "failed",
    "canary metric": "failed",
    "canary log": "failed",
    "server's spans": "failed",
    "Grafana link": "skipped",
  });
});

test("a skipped check gives its reason", async () => {
  const checks = await verify(nothing, tools);
  assert.equal(checks.find((one) => one.outcome === "skipped")?.detail, "GRAFANA is off");
});

test("the Grafana link carries the random device id", async () => {
  const grafana = { url: "https://grafana.example/d/traces", deviceId: "f00dfacef00dface" };
  const checks = await verify({ ...nothing, grafana }, tools);
  const link = checks.find((one) => one.name === "Grafana link");
  assert.equal(link?.outcome, "passed");
  assert.equal(link?.detail, "https://grafana.example/d/traces?var-device_id=f00dfacef00dface");
});
