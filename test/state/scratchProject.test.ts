import assert from "node:assert/strict";
import { test } from "node:test";
import { scratchProject } from "../../scripts/state/stateDirectory.ts";
import { installationId } from "../../scripts/state/secretKey.ts";

test("a throw-away project is never one that merely has such a name", () => {
  const one = installationId(Buffer.alloc(32, 1));
  const other = installationId(Buffer.alloc(32, 2));
  const drill = scratchProject("letta", "drill", one);
  assert.match(drill, /^letta-drill-[0-9a-f]{8}$/u);
  assert.notEqual(drill, "letta-drill"); // STACK_PROJECT=letta-drill alongside prod's letta
  assert.notEqual(drill, scratchProject("letta", "drill", other));
  assert.equal(drill, scratchProject("letta", "drill", one));
});
