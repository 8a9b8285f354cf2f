import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { diskReserve, freeDiskReserve } from "../../scripts/state/writeFile.ts";
import { folder } from "./folder.ts";

test("space is set aside once, for its owner alone, and given back", () => {
  const directory = folder();
  const path = join(directory, "reserve");
  diskReserve(directory);
  const first = statSync(path);
  assert.ok(first.blocks * 512 >= first.size && first.size >= 256 * 1024, "it takes no space");
  assert.equal(first.mode & 0o777, 0o600);
  diskReserve(directory);
  assert.equal(statSync(path).ino, first.ino, "it was written again");
  freeDiskReserve(directory);
  assert.equal(existsSync(path), false);
  freeDiskReserve(directory);
});
