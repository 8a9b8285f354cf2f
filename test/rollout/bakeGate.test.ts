import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine, ObservedContainer } from "../../scripts/engine/engine.ts";
import type { Release } from "../../scripts/ledger/releases.ts";
import type { Tools } from "../../scripts/parts/tools.ts";
import { bakeGate } from "../../scripts/rollout/bakeGate.ts";
import { exampleRelease } from "../ledger/exampleRelease.ts";
import { settingsOf } from "./exampleTarget.ts";

const former: Release = { ...exampleRelease("000003"), format: 2 };
const asked = settingsOf("prod", { BAKE_GATE: "true", BAKE_SECONDS: "30" });
const begun = Date.parse("2026-01-02T03:04:30.000Z");

/** The stretch of a deploy that begins now, where the server was started then. */
async function stretch(startedAt: string, state: ObservedContainer["state"] = "running") {
  const inspect = async () => ({ startedAt });
  const tools = { engine: { inspect } as unknown as Engine } as Tools;
  const server = { id: "server", state } as ObservedContainer;
  return (await bakeGate(asked, former, server, begun, tools))!.stretch;
}

test("what was before is as long as the bake time, to the deploy's beginning", async () => {
  const told = await stretch("2026-01-01T00:00:00.123456789Z");
  assert.deepEqual(told, { fromMs: begun - 30_000, toMs: begun });
});

test("what was before this server ran is not the former release's", async () => {
  const told = await stretch("2026-01-02T03:04:10Z");
  assert.deepEqual(told, { fromMs: begun - 20_000, toMs: begun });
});

test("a server that did not run, and one whose clock is ahead, were asked for nothing", async () => {
  const none = { fromMs: begun, toMs: begun };
  assert.deepEqual(await stretch("2026-01-01T00:00:00Z", "exited"), none);
  assert.deepEqual(await stretch("2026-01-02T04:00:00Z"), none);
});

test("nothing is compared where nobody asked or nothing was before", async () => {
  const untouched = {} as Tools;
  const off = settingsOf("prod");
  assert.equal(await bakeGate(off, former, undefined, begun, untouched), undefined);
  assert.equal(await bakeGate(asked, undefined, undefined, begun, untouched), undefined);
});
