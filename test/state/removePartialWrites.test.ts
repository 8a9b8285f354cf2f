import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { removePartialWrites } from "../../scripts/state/releases.ts";
import { folder } from "./folder.ts";

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(directory.length + 1))
    .sort();
}

test("what was begun and not renamed goes, wherever it is, and nothing else", () => {
  const directory = folder();
  const whole = [
    "journal.jsonl",
    "backups/000001-20261121T073105Z.dump",
    "releases/000001/release.json",
    "releases/000001/release.json.corrupt-20261121T073105Z",
    "evidence/000001/server.log",
  ];
  const half = [
    "key.41.new",
    "backups/000002-20261121T073105Z.dump.new",
    "releases/000001/release.json.41.new",
    "releases/.000002/compose.yaml",
    "evidence/000001/server.log.41.new",
  ];
  for (const name of [...whole, ...half]) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), "");
  }
  removePartialWrites(directory, true);
  assert.deepEqual(filesIn(directory), whole.sort());
});

test("what was begun before the journal's first line goes after every end", () => {
  const directory = folder();
  const elsewhere = "backups/000002-20261121T073105Z.dump.new";
  for (const name of ["key.41.new", "histories/40ea.tsv", "histories/41eb.tsv.41.new", elsewhere]) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), "");
  }
  removePartialWrites(directory, false);
  assert.deepEqual(filesIn(directory), [elsewhere, "histories/40ea.tsv"]);
});

test("an empty state directory stays as it is", () => {
  const directory = folder();
  removePartialWrites(directory, true);
  removePartialWrites(directory, false);
  assert.deepEqual(readdirSync(directory), []);
});
