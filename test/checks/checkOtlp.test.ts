import assert from "node:assert/strict";
import { test } from "node:test";
import type { CollectorClient } from "../../scripts/checks/collectorClient.ts";
import { checkOtlpGrpc, checkOtlpHttp } from "../../scripts/checks/checkSinks.ts";
import { signoz } from "../fakes/signoz/signoz.ts";

/** A collector that answers each path so. */
function client(answer: (path: string) => number): CollectorClient {
  return {
    service: "collector",
    container: undefined,
    address: (port) => `127.0.0.1:${port}`,
    ask: async (_, path) => ({ status: answer(path), body: "" }),
  };
}

test("a signal that is not taken over HTTP is named", async () => {
  assert.equal(
    (
      await checkOtlpHttp(
        client(() => 200),
        "on",
      )
    ).outcome,
    "passed",
  );
  const { outcome, detail, next } = await checkOtlpHttp(
    client((path) => (path === "/v1/metrics" ? 404 : 200)),
    "on",
  );
  assert.deepEqual([outcome, next], ["failed", "on"]);
  assert.equal(detail, "127.0.0.1:4318: metrics: expected 200, got 404");
});

test("a receiver over gRPC passes, a port where nothing listens does not", async () => {
  const fake = await signoz({ host: "127.0.0.1", port: 0, key: undefined as never });
  assert.equal((await checkOtlpGrpc(fake.port, Date.now, "on")).outcome, "passed");
  fake.close();
  const { outcome, detail } = await checkOtlpGrpc(1, Date.now, "on");
  assert.equal(outcome, "failed");
  assert.match(detail, /UNAVAILABLE.*ECONNREFUSED/);
});
