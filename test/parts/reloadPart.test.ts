import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import type { OneShot } from "../../scripts/engine/engine.ts";
import { reloadPart } from "../../scripts/parts/reloadPart.ts";
import type { Tools } from "../../scripts/parts/tools.ts";
import type { Reload } from "../../scripts/stack/readServices.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";

// That nobody is reset meanwhile is seen in test/real/proxy.test.ts.
const stack = {
  environment: "prod",
  server: { service: "server" },
  services: [{ name: "server", image: "letta:1", graceSeconds: 29.5 }],
} as unknown as Stack;
const former: Reload = { after: "job", config: "proxy", file: "/file", command: ["reload"] };
const reload: Reload = { ...former, relay: { port: "8443", control: "8449" } };

/** An engine that keeps what it is asked to run beside the part. */
function engine(code: number, detach: () => Promise<void>, stdout = "") {
  const shots: OneShot[] = [];
  const notes: string[] = [];
  const tools = {
    engine: {
      exec: () => Promise.resolve({ code, stdout, stderr: "first\nwhy\n" }),
      detach: (shot: OneShot) => (shots.push(shot), detach()),
    },
    say: { note: (text: string) => notes.push(text) },
  } as unknown as Tools;
  return { tools, shots, notes };
}
const well = () => Promise.resolve();

test("meanwhile a relay of the server's image stands in the part's network", async () => {
  const { tools, shots, notes } = engine(0, well);
  await reloadPart("proxy", "id", reload, stack, tools);
  const [{ image, network, entrypoint } = {} as OneShot] = shots;
  assert.deepEqual([image, network], ["letta:1", "container:id"]);
  assert.deepEqual(entrypoint.slice(-2), ["8443", "8449"]);
  assert.deepEqual(notes, []);
});

test("a release of before there was a relay is taken up without one", async () => {
  const { tools, shots } = engine(0, well);
  await reloadPart("proxy", "id", former, stack, tools);
  assert.deepEqual(shots, []);
});

test("a relay that cannot run is no reason to stop", async () => {
  const missing = () => Promise.reject(new Error("no such image"));
  const { tools, notes } = engine(0, missing, "no relay\n");
  await reloadPart("proxy", "id", reload, stack, tools);
  assert.deepEqual(notes, ["proxy: no relay"]);
});

test("a configuration that the part refuses is told in its words", async () => {
  const { tools } = engine(1, well);
  await assert.rejects(reloadPart("proxy", "id", reload, stack, tools), (error: Problem) => {
    assert.deepEqual([error.code, error.details], ["STEP_FAILED", ["first", "why"]]);
    return true;
  });
});
