import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import type { Expectation } from "../../scripts/checks/expectation.ts";
import {
  verify,
  verifyQuickly,
  verifyServer,
  verifyTelemetry,
} from "../../scripts/checks/verify.ts";
import { backends } from "../stack/backends.ts";
import { composed } from "../stack/composed.ts";

// A stack of which nothing runs: what is verified of it must be nothing.
const closed = [4317, 4318, 13133, 8888].map((port) => [port, 1] as const);
const nothing: Expectation = {
  project: "missing",
  collectors: [{ service: "collector", published: new Map(closed), memoryLimit: 1 }],
  grpcPort: 1,
  delivery: readDelivery(composed("prod", backends.file)),
  clickHouse: undefined,
  serverBatchDelayMs: 0,
  serverUrl: "http://127.0.0.1:1",
  serverName: undefined,
  server: {
    service: "server",
    migrate: "migrate",
    port: 8283,
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
  redis: undefined,
  version: "0.16.8",
  password: undefined,
  grafana: undefined,
};
let clock = 0;
const context = {
  engine: { containers: async () => [] } as Partial<Engine> as Engine,
  // Each look at it is a minute later, so that nothing is waited for.
  now: () => (clock += 60_000),
  randomId: () => "0123456789abcdef",
  redact: (text: string) => text,
};
const outcomes = async (verifying: ReturnType<typeof verify>) =>
  Object.fromEntries((await verifying).map((one) => [one.name, one.outcome]));

const serverChecks = {
  "server version": "failed",
  "database read": "failed",
  "server's password": "skipped",
};
const telemetryChecks = {
  "collector healthy": "failed",
  "OTLP gRPC": "failed",
  "OTLP HTTP": "failed",
  "canary trace": "failed",
  "canary metric": "failed",
  "canary log": "failed",
  "file traces": "failed",
  "file metrics": "failed",
  "file logs": "failed",
};

test("where nothing runs, every check fails, and those that cannot be made are skipped", async () => {
  assert.deepEqual(await outcomes(verify(nothing, context)), {
    ...telemetryChecks,
    ...serverChecks,
    redis: "skipped",
    "server's spans": "failed",
    "Grafana link": "skipped",
    "exporters sending": "failed",
    "health endpoint": "failed",
    "memory within limit": "failed",
    "batch processing": "failed",
    "Datadog reporting": "skipped",
    "failover and retry": "skipped",
  });
});

test("each depth makes its own checks: telemetry, server, or a quick look at both", async () => {
  assert.deepEqual(await outcomes(verifyTelemetry(nothing, context)), telemetryChecks);
  assert.deepEqual(await outcomes(verifyServer(nothing, context)), serverChecks);
  const quick = { "collector healthy": "failed", ...serverChecks, redis: "skipped" };
  assert.deepEqual(await outcomes(verifyQuickly(nothing, context)), quick);
});

test("where the server answers nothing, it is not said that it works without Redis", async () => {
  const redis = { host: "redis", port: 6379 };
  const checks = await verifyQuickly({ ...nothing, redis }, context);
  const found = checks.find((one) => one.name === "redis");
  assert.deepEqual([found?.outcome, found?.detail], ["skipped", "the server answers no read"]);
});

test("a skipped check gives its reason", async () => {
  const skipped = (await verify(nothing, context)).filter((one) => one.outcome === "skipped");
  assert.deepEqual(
    skipped.map((one) => one.detail),
    [
      "SECURE is false",
      "no Redis, so streams in the background answer 503",
      "GRAFANA_ENABLED is off",
      "DD_API_KEY is not set",
      "only with --failover",
    ],
  );
});

test("a canary that no one took has failed, also where its sink cannot be read", async () => {
  const signoz = { ...nothing, delivery: readDelivery(composed("prod", backends.signoz)) };
  const checks = await verify(signoz, context);
  const trace = checks.find((one) => one.name === "canary trace");
  assert.equal(trace?.outcome, "failed");
  assert.equal(checks.find((one) => one.name === "otlp/signoz traces")?.outcome, "failed");
});

test("the Grafana link carries the random device id", async () => {
  const grafana = { url: "https://grafana.example/d/traces", deviceId: "f00dfacef00dface" };
  const checks = await verify({ ...nothing, grafana }, context);
  const link = checks.find((one) => one.name === "Grafana link");
  assert.equal(link?.outcome, "passed");
  assert.equal(link?.detail, "https://grafana.example/d/traces?var-device_id=f00dfacef00dface");
});

/** What the check of the password says of a server that answers strangers so. */
async function askedBy(status: number): Promise<{ outcome: string; detail: string } | undefined> {
  const server = createServer((request, response) => {
    response.statusCode = request.headers.authorization === undefined ? status : 200;
    response.end("[]");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const serverUrl = `http://127.0.0.1:${port}`;
  try {
    const checks = await verifyServer({ ...nothing, serverUrl, password: "open-sesame" }, context);
    return checks.find((one) => one.name === "server's password");
  } finally {
    server.close();
  }
}

test("a server that should ask for its password fails where it answers without", async () => {
  const asks = await askedBy(401);
  assert.deepEqual([asks?.outcome, asks?.detail], ["passed", "401 without it"]);
  const open = await askedBy(200);
  assert.equal(open?.outcome, "failed");
  assert.match(open?.detail ?? "", /expected 401 .* without the password, got 200$/);
  assert.equal((await askedBy(500))?.outcome, "failed");
});
