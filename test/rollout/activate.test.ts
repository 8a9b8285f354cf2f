import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { releaseFormat } from "../../scripts/ledger/release.ts";
import { stateDirectory } from "../../scripts/ledger/stateDirectory.ts";
import { activate } from "../../scripts/rollout/activate.ts";
import { exampleRelease } from "../ledger/exampleRelease.ts";
import { folder } from "../ledger/folder.ts";
import { targetOf } from "./exampleTarget.ts";
import { exampleSettings, rolloutOn } from "./simulation.ts";

test("who fails has nothing under way any more that needs the lock", async () => {
  const on = rolloutOn({ behaviours: { server: { ends: "unhealthy" } } });
  const named: string[] = [];
  const tag = async (image: string) => {
    await sleep(300);
    named.push(image);
  };
  const sheet = { ...exampleRelease("000001"), format: releaseFormat };
  const activation = {
    sheet,
    target: targetOf(exampleSettings()),
    directory: stateDirectory(folder(), "dev"),
    file: "/nowhere/compose.yaml",
    incident: false,
    awayWork: undefined,
  };
  await assert.rejects(activate(activation, { ...on.tools, engine: { ...on.engine, tag } }));
  assert.deepEqual(
    named,
    Object.values(sheet.services).map((one) => one.imageId),
  );
});
