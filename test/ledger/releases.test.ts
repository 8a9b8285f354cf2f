import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  keepRelease,
  nextReleaseId,
  readReleases,
  updateRelease,
} from "../../scripts/ledger/releases.ts";
import { stateDirectory } from "../../scripts/ledger/stateDirectory.ts";
import { folder } from "./folder.ts";

const files = {
  "compose.yaml": "services: {}\n",
  "collector.yaml": "a: 1\n",
  "settings.env": "A=1\n",
};

const release = (id: string) => ({
  id,
  tag: "0.16.8",
  created: "2026-01-02T03:04:05.000Z",
  outcome: "begun" as const,
  services: {},
  revision: [],
});

/** A state directory that keeps these releases. */
function kept(...ids: string[]): string {
  const directory = stateDirectory(folder(), "dev");
  for (const id of ids) keepRelease(directory, release(id), files);
  return directory;
}

const ids = (directory: string) => readReleases(directory).map((one) => one.id);

test("ids count up from 000001", () => {
  assert.equal(nextReleaseId(kept()), "000001");
  assert.equal(nextReleaseId(kept("000001", "000009")), "000010");
});

test("an id that was given to an unreadable release is not given again", () => {
  const directory = kept("000001");
  mkdirSync(join(directory, "releases", "000002"));
  assert.equal(nextReleaseId(directory), "000003");
});

test("releases come newest first", () => {
  assert.deepEqual(ids(kept("000009", "000010", "000001")), ["000010", "000009", "000001"]);
});

test("a release of another format is left out, as is what cannot be read", () => {
  const directory = kept("000001", "000002", "000003");
  const sheet = (id: string) => join(directory, "releases", id, "release.json");
  writeFileSync(sheet("000002"), JSON.stringify({ ...release("000002"), format: 2 }));
  writeFileSync(sheet("000003"), "{");
  assert.deepEqual(ids(directory), ["000001"]);
});

test("a release that was cut off while it was written is none", () => {
  const directory = kept("000001");
  mkdirSync(join(directory, "releases", ".000002"));
  assert.deepEqual(ids(directory), ["000001"]);
  keepRelease(directory, release("000002"), files);
  assert.deepEqual(ids(directory), ["000002", "000001"]);
});

test("a release's texts come back as they were given", () => {
  const directory = kept("000001");
  for (const [name, text] of Object.entries(files)) {
    assert.equal(readFileSync(join(directory, "releases", "000001", name), "utf8"), text);
  }
});

test("an outcome that became known is kept in place of the first", () => {
  const directory = kept("000001");
  updateRelease(directory, { ...release("000001"), outcome: "good" });
  assert.equal(readReleases(directory)[0]?.outcome, "good");
  assert.deepEqual(
    readdirSync(join(directory, "releases", "000001")).sort(),
    [...Object.keys(files), "release.json"].sort(),
  );
});

test("directories are 0700 and files 0600, whatever the umask", () => {
  const before = process.umask(0);
  try {
    const directory = kept("000001");
    const folder = join(directory, "releases", "000001");
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    for (const path of [directory, join(directory, "releases"), folder])
      assert.equal(mode(path), "700", path);
    for (const name of readdirSync(folder)) assert.equal(mode(join(folder, name)), "600", name);
  } finally {
    process.umask(before);
  }
});
