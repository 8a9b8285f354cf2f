import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Release } from "../../scripts/state/release.ts";
import { expiredEvidence, keepEvidence } from "../../scripts/state/evidence.ts";
import { keepRelease } from "../../scripts/state/releases.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { retainedName } from "../../scripts/deploy/obtainImages.ts";
import { retainedReleases, prune } from "../../scripts/deploy/prune.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { exampleSettings, rolloutOn } from "./simulation.ts";

const files = { "compose.yaml": "", "collector.yaml": "", "settings.env": "" };

/** A state directory with these releases, oldest first. */
function reported(...releases: Partial<Release>[]): string {
  const directory = stateDirectory(folder(), "prod");
  releases.forEach((one, index) => {
    const id = String(index + 1).padStart(6, "0");
    keepRelease(directory, exampleRelease(id, { outcome: "good", ...one }), files);
  });
  return directory;
}
const ids = (directory: string, count: number) =>
  retainedReleases(directory, count).map((one) => one.id);

test("so many of the newest can be gone back to", () => {
  const directory = reported({}, {}, {});
  assert.deepEqual(ids(directory, 2), ["000003", "000002"]);
  assert.deepEqual(ids(directory, 9), ["000003", "000002", "000001"]);
});

test("one that did not come to be good takes no good one's place", () => {
  assert.deepEqual(ids(reported({}, { outcome: "failed" }, {}, { outcome: "begun" }), 2), [
    "000003",
    "000001",
  ]);
});

test("a rollback is no further content: what it restored counts once", () => {
  const directory = reported({}, {}, { restores: "000001" }, { restores: "000002" });
  assert.deepEqual(ids(directory, 2), ["000004", "000003", "000002", "000001"]);
  assert.deepEqual(ids(directory, 1), ["000004"]);
});

test("the newest is always retained, never more contents than asked for, none is left out between", () => {
  const release = fc.record({
    outcome: fc.constantFrom<Release["outcome"][]>("good", "good", "failed"),
    restores: fc.option(fc.constantFrom("000001", "000002", "000003")),
  });
  const story = fc.array(release, { minLength: 3, maxLength: 7 });
  fc.assert(
    fc.property(story, fc.integer({ min: 1, max: 5 }), (releases, count) => {
      const directory = reported(...releases);
      const good = retainedReleases(directory, 1000).map((one) => one.id);
      const retained = retainedReleases(directory, count);
      assert.deepEqual(
        retained.map((one) => one.id),
        good.slice(0, retained.length),
      );
      const contents = new Set(retained.map((one) => one.restores ?? one.id));
      assert.ok(contents.size <= count);
      if (retained.length < good.length) assert.equal(contents.size, count);
      assert.ok(retained.every((one) => one.outcome === "good"));
    }),
    { numRuns: 25 },
  );
});

const settings = { ...exampleSettings(), project: "letta-prod" };
const few = {
  ...settings,
  get: (name: Parameters<typeof settings.get>[0]) =>
    name === "RELEASES_KEEP" ? "1" : settings.get(name),
};
const service = (imageId: string) => ({
  server: { image: imageId, imageId, digest: "d", release: "000001" },
});
const old = `sha256:${"a".repeat(64)}`;
const now = `sha256:${"b".repeat(64)}`;

test("images of what can be rolled back to keep their names, others lose ours and no other", async () => {
  const foreign = [retainedName("letta-staging", old), retainedName("letta-prod-eu", old)];
  const own = [retainedName("letta-prod", old), retainedName("letta-prod", now)];
  const names = [...own, ...foreign, "letta:0.15.1"];
  const directory = reported({ services: service(old) }, { services: service(now) });
  const on = rolloutOn({ images: names });
  await prune(few, directory, on.context);
  assert.deepEqual(on.engine.changes, [`untag ${retainedName("letta-prod", old)}`]);
  await prune(settings, directory, on.context);
  assert.equal(on.engine.changes.length, 1);
});

test("the evidence of the newest failures stays, older evidence goes", async () => {
  const on = rolloutOn({ images: [] });
  const directory = reported({ services: service(now) });
  for (const release of ["000003", "000003-again", "000012"])
    keepEvidence(directory, release, "server.log", "boom");
  await prune(few, directory, on.context);
  assert.deepEqual(expiredEvidence(directory, 0), ["000012"]);
  assert.equal(on.steps.length, 1);
});

test("where there is nothing to let go of, no step is reported", async () => {
  const on = rolloutOn({ images: [retainedName("letta-prod", now)] });
  await prune(few, reported({ services: service(now) }), on.context);
  assert.deepEqual([on.steps, on.engine.changes], [[], []]);
});
