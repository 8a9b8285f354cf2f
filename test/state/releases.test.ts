import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Release } from "../../scripts/state/release.ts";
import {
  damagedReleases,
  keepRelease,
  manifestPath,
  nextReleaseId,
  quarantineDamaged,
  readReleaseFile,
  readReleases,
  releasesNewestFirst,
  updateRelease,
} from "../../scripts/state/releases.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { exampleRelease as release } from "./exampleRelease.ts";
import { folder } from "./folder.ts";

const files = {
  "compose.yaml": "services: {}\n",
  "collector.yaml": "a: 1\n",
  "settings.env": "A=1\n",
  Caddyfile: ":443 {}\n",
};
const now = new Date("2026-11-21T07:31:05.123Z");

/** A state directory that keeps these releases. */
function retained(...ids: string[]): string {
  const directory = stateDirectory(folder(), "dev");
  for (const id of ids) keepRelease(directory, release(id), files);
  return directory;
}

/** The same, with this in place of the newest one's manifest. */
function retainedWith(manifest: string, ...ids: string[]): { directory: string; path: string } {
  const directory = retained(...ids);
  const path = manifestPath(directory, ids.at(-1)!);
  writeFileSync(path, manifest);
  return { directory, path };
}

const ids = (directory: string) => readReleases(directory).map((one) => one.id);

test("ids count up from 000001", () => {
  assert.equal(nextReleaseId(retained()), "000001");
  assert.equal(nextReleaseId(retained("000001", "000009")), "000010");
});

test("an id that was given to an unreadable release is not given again", () => {
  const directory = retained("000001");
  mkdirSync(join(directory, "releases", "000002"));
  assert.equal(nextReleaseId(directory), "000003");
});

test("of a release that could not be retained whole nothing is left", () => {
  const directory = retained("000001");
  const more = { ...files, "no such folder/file": "" };
  assert.throws(() => keepRelease(directory, release("000002"), more), { code: "ENOENT" });
  assert.deepEqual(readdirSync(join(directory, "releases")), ["000001"]);
});

test("releases come newest first", () => {
  assert.deepEqual(ids(retained("000009", "000010", "000001")), ["000010", "000009", "000001"]);
});

test("every field of a manifest comes back", () => {
  const directory = retained("000001");
  const good = release("000001", {
    outcome: "good",
    backup: "000001-20260102T030405Z",
    databaseStrategy: "keep",
  });
  updateRelease(directory, good);
  assert.deepEqual(readReleases(directory), [{ ...good, format: 2 }]);
});

test("a manifest without what is optional is whole", () => {
  const { titles: _, ...plain } = release("000001");
  const services = { a: { image: "a", imageId: "b", digest: "c", release: "000001" } };
  const directory = retained();
  keepRelease(directory, { ...plain, services }, files);
  assert.deepEqual(readReleases(directory), [{ ...plain, services, format: 2 }]);
});

test("a manifest that the first version wrote is read, and what it did not know is filled in", () => {
  const services = {
    server: { image: "letta", imageId: "sha256:1", digest: "d", release: "000001" },
  };
  const first = {
    id: "000001",
    tag: "0.16.8",
    created: "2026-01-02T03:04:05.000Z",
    outcome: "good",
    services,
    revision: ["1c28e167b74f"],
    format: 1,
  };
  const { directory } = retainedWith(JSON.stringify(first), "000001");
  const [read] = readReleases(directory, { project: "any", environment: "any" });
  const expected: Release = {
    ...first,
    outcome: "good",
    project: null,
    environment: null,
    kind: "up",
    from: null,
    restores: "000001",
    by: "unknown",
    reason: null,
    seconds: null,
    databaseStrategy: null,
    heads: ["1c28e167b74f"],
    secrets: {},
    backup: null,
    verifications: [],
    rehearsal: null,
  };
  assert.deepEqual(read, expected);
});

const whole = JSON.stringify({ ...release("000002"), format: 2 });
const damage: Readonly<Record<string, [manifest: string, why: RegExp]>> = {
  empty: ["", /^is empty$/],
  "cut off": [whole.slice(0, 200), /^is not whole JSON$/],
  "not an object": ["null", /^expected a format up to 2, got undefined$/],
  "without a format": [JSON.stringify(release("000002")), /^expected a format up to 2/],
  "without a field": [whole.replace('"outcome":"begun",', ""), /^outcome: expected "outcome"/],
  "with a wrong value": [whole.replace('"begun"', '"best"'), /^outcome: expected .*, got "best"$/],
  "of another id": [whole.replace('"id":"000002"', '"id":"000003"'), /^expected id 000002, got 0/],
};

for (const [name, [manifest, why]] of Object.entries(damage)) {
  test(`a manifest that is ${name} is passed over, reported, and set aside with every byte`, () => {
    const { directory, path } = retainedWith(manifest, "000001", "000002");
    assert.deepEqual(ids(directory), ["000001"]);
    const [damaged, ...others] = damagedReleases(directory);
    assert.deepEqual([damaged?.id, damaged?.path, others], ["000002", path, []]);
    assert.match(damaged?.why ?? "", why);
    const quarantined = quarantineDamaged(directory, now);
    const at = `${path}.corrupt-20261121T073105Z`;
    assert.deepEqual(
      quarantined.map((one) => [one.id, one.retained]),
      [["000002", at]],
    );
    assert.equal(readFileSync(at, "utf8"), manifest);
    assert.deepEqual(quarantineDamaged(directory, now), []);
    assert.deepEqual(ids(directory), ["000001"]);
    assert.equal(nextReleaseId(directory), "000003");
  });
}

test("a manifest of a later format is passed over by those who read and refused by those who write", () => {
  const later = JSON.stringify({ ...release("000002"), format: 3 });
  const { directory, path } = retainedWith(later, "000001", "000002");
  assert.deepEqual(ids(directory), ["000001"]);
  assert.equal(damagedReleases(directory)[0]?.laterFormat, 3);
  assert.throws(() => quarantineDamaged(directory, now), {
    code: "STATE_UNUSABLE",
    exit: 3,
    message: `${path}: expected a format up to 2, found 3`,
  });
  assert.equal(readFileSync(path, "utf8"), later);
});

test("where one manifest is of a later format, no other is set aside", () => {
  const { directory } = retainedWith("{", "000001", "000002");
  writeFileSync(manifestPath(directory, "000001"), JSON.stringify({ format: 9 }));
  assert.throws(() => quarantineDamaged(directory, now));
  assert.equal(readFileSync(manifestPath(directory, "000002"), "utf8"), "{");
});

test("whole manifests are not set aside", () => {
  const directory = retained("000001", "000002");
  assert.deepEqual(quarantineDamaged(directory, now), []);
  assert.deepEqual(ids(directory), ["000002", "000001"]);
});

test("a folder in place of a manifest is set aside too", () => {
  const directory = retained("000001");
  rmSync(manifestPath(directory, "000001"));
  mkdirSync(manifestPath(directory, "000001"));
  assert.equal(damagedReleases(directory)[0]?.why, "is not a file");
  assert.equal(quarantineDamaged(directory, now).length, 1);
});

const owner = { project: "letta-stack-dev", environment: "dev" };
for (const name of ["project", "environment"] as const) {
  test(`a release of another ${name} is refused, with the manifest that says so`, () => {
    const directory = retained("000001");
    keepRelease(directory, release("000002", { [name]: "other" }), files);
    assert.throws(() => readReleases(directory, owner), {
      code: "STATE_UNUSABLE",
      message: `${manifestPath(directory, "000002")}: expected ${name} ${owner[name]}, got other`,
    });
  });
}

test("one's own releases are not refused", () => {
  assert.equal(readReleases(retained("000001", "000002"), owner).length, 2);
});

test("no manifest is read before it is asked for", () => {
  const directory = retained("000001", "000002");
  const releases = releasesNewestFirst(directory);
  assert.equal(releases.next().value?.id, "000002");
  updateRelease(directory, release("000001", { outcome: "failed" }));
  assert.equal(releases.next().value?.outcome, "failed");
});

test("a release that was cut off while it was written is none", () => {
  const directory = retained("000001");
  mkdirSync(join(directory, "releases", ".000002"));
  assert.deepEqual(ids(directory), ["000001"]);
  keepRelease(directory, release("000002"), files);
  assert.deepEqual(ids(directory), ["000002", "000001"]);
});

test("a release's texts come back as they were given", () => {
  const directory = retained("000001");
  for (const name of Object.keys(files) as (keyof typeof files)[])
    assert.equal(readReleaseFile(directory, "000001", name), files[name]);
});

test("where there is no proxy no configuration of one is retained", () => {
  const directory = retained();
  const { Caddyfile: _, ...others } = files;
  keepRelease(directory, release("000001"), others);
  assert.equal(readReleaseFile(directory, "000001", "Caddyfile"), undefined);
});

test("an outcome that became known is retained in place of the first", () => {
  const directory = retained("000001");
  updateRelease(directory, release("000001", { outcome: "good" }));
  assert.equal(readReleases(directory)[0]?.outcome, "good");
  assert.deepEqual(
    readdirSync(join(directory, "releases", "000001")).sort(),
    [...Object.keys(files), "release.json"].sort(),
  );
});

test("directories are 0700 and files 0600, whatever the umask", () => {
  const before = process.umask(0);
  try {
    const directory = retained("000001");
    const folder = join(directory, "releases", "000001");
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    for (const path of [directory, join(directory, "releases"), folder])
      assert.equal(mode(path), "700", path);
    for (const name of readdirSync(folder)) assert.equal(mode(join(folder, name)), "600", name);
  } finally {
    process.umask(before);
  }
});

test("a manifest in the words of a version before 0.2.0 is refused, and stays as it is", () => {
  const { databaseStrategy, ...rest } = release("000002");
  const earlier = JSON.stringify({ ...rest, format: 2, way: databaseStrategy });
  const { directory, path } = retainedWith(earlier, "000001", "000002");
  assert.deepEqual(ids(directory), ["000001"]);
  assert.throws(() => quarantineDamaged(directory, now), { code: "STATE_UNUSABLE", exit: 3 });
  assert.equal(readFileSync(path, "utf8"), earlier);
});
