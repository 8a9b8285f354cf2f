import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { releaseFormat } from "../../scripts/state/release.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { applyRelease } from "../../scripts/deploy/applyRelease.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { targetOf } from "./exampleTarget.ts";
import { exampleSettings, rolloutOn } from "./simulation.ts";

test("who fails has nothing under way any more that needs the lock", async () => {
  const on = rolloutOn({ behaviours: { server: { ends: "unhealthy" } } });
  const named: string[] = [];
  const tag = async (image: string) => {
    await sleep(300);
    named.push(image);
  };
  const manifest = { ...exampleRelease("000001"), format: releaseFormat };
  const releaseInput = {
    manifest,
    target: targetOf(exampleSettings()),
    directory: stateDirectory(folder(), "dev"),
    file: "/nowhere/compose.yaml",
    fast: false,
    offlineTask: undefined,
  };
  await assert.rejects(
    applyRelease(releaseInput, { ...on.context, engine: { ...on.engine, tag } }),
  );
  assert.deepEqual(
    named,
    Object.values(manifest.services).map((one) => one.imageId),
  );
});
