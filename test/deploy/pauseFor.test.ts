import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertPauseCovers, pauseFor, type PauseInput } from "../../scripts/deploy/pauseFor.ts";
import type { ProxyControl } from "../../scripts/deploy/proxyControl.ts";
import {
  forgetPauseToken,
  keepPauseToken,
  pauseTokenOf,
  tookWrites,
} from "../../scripts/state/markers.ts";
import { labels } from "../../scripts/stack/renderStack.ts";
import { folder } from "../state/folder.ts";

const server = (state: "created" | "running", release = "000002") => ({
  service: "server",
  state,
  labels: { [labels.release]: release },
});

/** A pause after one of a killed run. @returns whether the database counts as one that took writes */
async function afterKilled(more: {
  replaced?: string;
  observed?: PauseInput["observed"];
  hasProxy?: boolean;
  databaseStrategy?: "migrate" | "keep";
  isForgotten?: boolean;
}): Promise<boolean> {
  const {
    replaced,
    observed = [server("running")],
    hasProxy = true,
    databaseStrategy = "migrate",
  } = more;
  const directory = folder();
  mkdirSync(join(directory, "releases", "000002"), { recursive: true });
  keepPauseToken(directory, "000002", "a1");
  if (more.isForgotten) forgetPauseToken(directory, "000002");
  const pause = { token: "b2", replaced, remaining: async () => 20 };
  const proxyControl = { pause: async () => pause } as unknown as ProxyControl;
  const manifest = { id: "000002", databaseStrategy };
  const input = { manifest, directory, server: { service: "server" }, observed };
  await pauseFor(input, hasProxy ? proxyControl : undefined);
  if (hasProxy && databaseStrategy === "migrate")
    assert.equal(pauseTokenOf(directory, "000002"), "b2");
  return tookWrites(directory, "000002");
}

test("a gap between two pauses of a release may have let requests reach its server", async () => {
  assert.equal(await afterKilled({}), true);
  assert.equal(await afterKilled({ replaced: "c3" }), true);
  assert.equal(await afterKilled({ hasProxy: false }), true);
});

test("no gap, no server of that release, or no migration: nothing was written to it", async () => {
  assert.equal(await afterKilled({ replaced: "a1" }), false);
  assert.equal(await afterKilled({ observed: [server("created")] }), false);
  assert.equal(await afterKilled({ observed: [server("running", "000001")] }), false);
  assert.equal(await afterKilled({ databaseStrategy: "keep" }), false);
  assert.equal(await afterKilled({ isForgotten: true }), false);
});

test("a migration is begun only under a pause with half as much again as it took in rehearsal", async () => {
  const remaining = (seconds: number) => ({ remaining: async () => seconds });
  await assertPauseCovers(remaining(15), 10);
  await assert.rejects(assertPauseCovers(remaining(14.9), 10), { code: "PAUSE_ENDED" });
  await assert.rejects(assertPauseCovers(remaining(0), 0), { code: "PAUSE_ENDED", exit: 5 });
});
