import assert from "node:assert/strict";
import test from "node:test";
import type { Engine } from "../../scripts/engine/engine.ts";
import type { Tools } from "../../scripts/parts/tools.ts";
import { refuseFullDisk } from "../../scripts/preparation/preflight.ts";

/** As much of an engine as says where it keeps its data. */
const keepsIn = (path: string) =>
  ({ engine: { dataRoot: async () => path } as Partial<Engine> }) as Tools;

test("a disk without room is refused with what it has and what it should have", async () => {
  // A file system that really has no free block, on every Linux.
  await assert.rejects(refuseFullDisk("build", keepsIn("/proc")), {
    code: "DISK_TOO_SMALL",
    message: "/proc: expected 5 GB free, got 0.0",
  });
});

test("an engine whose disk we cannot see is not refused for it", async () => {
  await refuseFullDisk("run", keepsIn("/nowhere/on/this/host"));
});
