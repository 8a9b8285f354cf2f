import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import type { OneShot } from "../../scripts/docker/engine.ts";
import { reloadService } from "../../scripts/deploy/collectorUpdate.ts";
import type { Context } from "../../scripts/state/context.ts";
import type { Reload } from "../../scripts/stack/readServices.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";

// That no one is reset meanwhile is seen in test/real/proxy.test.ts.
const stack = {
  environment: "prod",
  server: { service: "server" },
  services: [{ name: "server", image: "letta:1", graceSeconds: 29.5 }],
} as unknown as Stack;
const previous: Reload = { after: "job", config: "proxy", file: "/file", command: ["reload"] };
const reload: Reload = { ...previous, relay: { port: "8443", control: "8449" } };

/** An engine that keeps what it is asked to run alongside the service. */
function engine(code: number, detach: () => Promise<void>, stdout = "") {
  const shots: OneShot[] = [];
  const notes: string[] = [];
  const context = {
    engine: {
      exec: () => Promise.resolve({ code, stdout, stderr: "first\nwhy\n" }),
      detach: (shot: OneShot) => (shots.push(shot), detach()),
    },
    reporter: { note: (text: string) => notes.push(text) },
  } as unknown as Context;
  return { context, shots, notes };
}
const well = () => Promise.resolve();

test("meanwhile a relay of the server's image stands in the service's network", async () => {
  const { context, shots, notes } = engine(0, well);
  await reloadService("proxy", "id", reload, stack, context);
  const [{ image, network, entrypoint } = {} as OneShot] = shots;
  assert.deepEqual([image, network], ["letta:1", "container:id"]);
  assert.deepEqual(entrypoint.slice(-2), ["8443", "8449"]);
  assert.deepEqual(notes, []);
});

test("a release of before there was a relay is taken up without one", async () => {
  const { context, shots } = engine(0, well);
  await reloadService("proxy", "id", previous, stack, context);
  assert.deepEqual(shots, []);
});

test("a relay that cannot run is no reason to stop", async () => {
  const missing = () => Promise.reject(new Error("no such image"));
  const { context, notes } = engine(0, missing, "no relay\n");
  await reloadService("proxy", "id", reload, stack, context);
  assert.deepEqual(notes, ["proxy: no relay"]);
});

test("a configuration that the service refuses is reported in its words", async () => {
  const { context } = engine(1, well);
  await assert.rejects(reloadService("proxy", "id", reload, stack, context), (error: Problem) => {
    assert.deepEqual([error.code, error.details], ["STEP_FAILED", ["first", "why"]]);
    return true;
  });
});
