import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syncNewest } from "../../scripts/state/releases.ts";
import { folder } from "./folder.ts";

// That the names are on the disk afterwards is seen where a disk can lose them: test/simulation.
test("the newest names are synced, with releases and without, and nothing is changed", () => {
  const directory = folder();
  mkdirSync(join(directory, "releases", "000001"), { recursive: true });
  mkdirSync(join(directory, "releases", "000002"));
  syncNewest(directory);
  assert.deepEqual(readdirSync(join(directory, "releases")), ["000001", "000002"]);
  rmSync(join(directory, "releases"), { recursive: true });
  mkdirSync(join(directory, "releases"));
  syncNewest(directory);
  assert.deepEqual(readdirSync(directory), ["releases"]);
});
