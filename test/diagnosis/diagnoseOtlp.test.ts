import assert from "node:assert/strict";
import { test } from "node:test";
import type { CollectorDoor } from "../../scripts/verification/collectorDoor.ts";
import { diagnoseOtlpGrpc, diagnoseOtlpHttp } from "../../scripts/diagnosis/diagnoseOtlp.ts";
import { signoz } from "../rigs/signoz/signoz.ts";

/** A collector's door that answers each path so. */
function door(answer: (path: string) => number): CollectorDoor {
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
      await diagnoseOtlpHttp(
        door(() => 200),
        "on",
      )
    ).outcome,
    "passed",
  );
  const { outcome, detail, next } = await diagnoseOtlpHttp(
    door((path) => (path === "/v1/metrics" ? 404 : 200)),
    "on",
  );
  assert.deepEqual([outcome, next], ["failed", "on"]);
  assert.equal(detail, "127.0.0.1:4318: metrics: expected 200, got 404");
});

test("a receiver over gRPC passes, a port where nothing listens does not", async () => {
  const rig = await signoz({ host: "127.0.0.1", port: 0, key: undefined as never });
  assert.equal((await diagnoseOtlpGrpc(rig.port, Date.now, "on")).outcome, "passed");
  rig.close();
  const { outcome, detail } = await diagnoseOtlpGrpc(1, Date.now, "on");
  assert.equal(outcome, "failed");
  assert.match(detail, /UNAVAILABLE.*ECONNREFUSED/);
});
