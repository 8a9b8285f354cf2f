import assert from "node:assert/strict";
import test from "node:test";
import { chooseCopyStrategy } from "../../scripts/database/makeDatabase.ts";

const large = { bytes: 3e9, version: 170_011 };

test("a large database of the stack's own is copied as files, every other one as Postgres does it by default", () => {
  assert.equal(chooseCopyStrategy("bundled", large), " STRATEGY FILE_COPY");
  assert.equal(chooseCopyStrategy("bundled", { ...large, bytes: 8e6 }), "");
  assert.equal(chooseCopyStrategy("bundled", { ...large, version: 140_012 }), "", "no such clause");
  assert.equal(chooseCopyStrategy("external", large), "", "a checkpoint of someone else's server");
});
