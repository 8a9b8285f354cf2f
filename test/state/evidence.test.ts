import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { keepEvidence } from "../../scripts/state/evidence.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { folder } from "./folder.ts";

const megabyte = 1024 * 1024;

test("a text is retained under its release, for its owner alone", () => {
  const directory = stateDirectory(folder(), "dev");
  const path = keepEvidence(directory, "000003", "server.log", "a\nb\n");
  assert.equal(path, join(directory, "evidence", "000003", "server.log"));
  assert.equal(readFileSync(path, "utf8"), "a\nb\n");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
});

test("of a text above 2 MB the end is retained, and it says so", () => {
  const text = `begin${"ä".repeat(2 * megabyte)}the end\n`;
  const retained = readFileSync(keepEvidence(folder(), "000003", "a", text), "utf8");
  const size = Buffer.byteLength(retained);
  assert.ok(size <= 2 * megabyte && size > 2 * megabyte - 4, `${size} bytes`);
  assert.match(retained, /^\(the first of \d+ bytes were left out\)\nä/);
  assert.ok(retained.endsWith("äthe end\n"));
  assert.ok(!retained.includes("\uFFFD"));
});

test("2 MB to the byte are retained whole", () => {
  const text = "x".repeat(2 * megabyte);
  assert.equal(readFileSync(keepEvidence(folder(), "000003", "a", text), "utf8"), text);
});

test("no name leads out of the folder", () => {
  const name = fc.oneof(fc.string(), fc.constantFrom("..", ".", "", "../../a", "/etc/x", "a/b"));
  fc.assert(
    fc.property(name, name, (release, one) => {
      const directory = folder();
      keepEvidence(directory, release, one, "text");
      const [inside = "", ...others] = readdirSync(join(directory, "evidence"));
      assert.deepEqual([readdirSync(directory), others], [["evidence"], []]);
      const [file = ""] = readdirSync(join(directory, "evidence", inside));
      assert.equal(readFileSync(join(directory, "evidence", inside, file), "utf8"), "text");
    }),
    { numRuns: 60 },
  );
});
