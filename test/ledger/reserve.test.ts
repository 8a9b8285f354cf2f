import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freeReserve, reserve } from "../../scripts/ledger/reserve.ts";
import { folder } from "./folder.ts";

test("room is set aside once, for its owner alone, and given back", () => {
  const directory = folder();
  const path = join(directory, "reserve");
  reserve(directory);
  const first = statSync(path);
  assert.ok(first.blocks * 512 >= first.size && first.size >= 256 * 1024, "it takes no room");
  assert.equal(first.mode & 0o777, 0o600);
  reserve(directory);
  assert.equal(statSync(path).ino, first.ino, "it was written again");
  freeReserve(directory);
  assert.equal(existsSync(path), false);
  freeReserve(directory);
});
