import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine, ObservedContainer } from "../../scripts/docker/engine.ts";
import type { Release } from "../../scripts/state/release.ts";
import type { Context } from "../../scripts/state/context.ts";
import { bakeGate } from "../../scripts/deploy/bake.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { settingsOf } from "./exampleTarget.ts";

const previous: Release = { ...exampleRelease("000003"), format: 2 };
const asked = settingsOf("prod", { BAKE_GATE: "true", BAKE_TIME: "30s" });
const begun = Date.parse("2026-01-02T03:04:30.000Z");

/** The stretch of a deploy that begins now, where the server was started then. */
async function stretch(startedAt: string, state: ObservedContainer["state"] = "running") {
  const inspect = async () => ({ startedAt });
  const context = { engine: { inspect } as unknown as Engine } as Context;
  const server = { id: "server", state } as ObservedContainer;
  return (await bakeGate(asked, previous, server, begun, context))!.stretch;
}

test("what was before is as long as the bake time, to the deploy's beginning", async () => {
  const reported = await stretch("2026-01-01T00:00:00.123456789Z");
  assert.deepEqual(reported, { fromMs: begun - 30_000, toMs: begun });
});

test("what was before this server ran is not the previous release's", async () => {
  const reported = await stretch("2026-01-02T03:04:10Z");
  assert.deepEqual(reported, { fromMs: begun - 20_000, toMs: begun });
});

test("a server that did not run, and one whose clock is ahead, were asked for nothing", async () => {
  const none = { fromMs: begun, toMs: begun };
  assert.deepEqual(await stretch("2026-01-01T00:00:00Z", "exited"), none);
  assert.deepEqual(await stretch("2026-01-02T04:00:00Z"), none);
});

test("nothing is compared where no one asked or nothing was before", async () => {
  const untouched = {} as Context;
  const off = settingsOf("prod");
  assert.equal(await bakeGate(off, previous, undefined, begun, untouched), undefined);
  assert.equal(await bakeGate(asked, undefined, undefined, begun, untouched), undefined);
});
