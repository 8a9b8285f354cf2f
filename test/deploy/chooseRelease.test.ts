import assert from "node:assert/strict";
import fs, { mkdirSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Problem } from "../../scripts/common/problem.ts";
import type { Release } from "../../scripts/state/release.ts";
import { keepRelease, newestGood } from "../../scripts/state/releases.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { chooseRelease } from "../../scripts/deploy/rollback.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";

const files = { "compose.yaml": "", "collector.yaml": "", "settings.env": "" };
const idOf = (count: number) => String(count).padStart(6, "0");

/** What became of each release in turn: "0.15.1", "back 000001", "failed 0.16.8". */
function reported(...story: string[]): string {
  const directory = stateDirectory(folder(), "prod");
  for (const line of story) add(directory, line);
  return directory;
}

function add(directory: string, line: string): void {
  const count = fs.readdirSync(join(directory, "releases")).length + 1;
  const words = line.split(" ");
  const [kind, of] = words.length === 2 ? words : ["", line];
  const restores = kind === "back" ? of! : null;
  const tag = restores === null ? of! : chooseRelease(directory, restores, "prod").tag;
  const outcome = kind === "failed" || kind === "begun" ? kind : "good";
  const release: Partial<Release> = { tag, restores, outcome };
  keepRelease(directory, exampleRelease(idOf(count), release), files);
}

/** The content that would come back: the release it was first deployed as. */
function back(directory: string, requested?: string): string {
  const release = chooseRelease(directory, requested, "prod");
  return release.restores ?? release.id;
}

/** Does it, as a rollback records it. */
function rollBackRelease(directory: string): string {
  const content = back(directory);
  add(directory, `back ${content}`);
  return content;
}

function refusal(directory: string, requested?: string): Problem {
  try {
    chooseRelease(directory, requested, "prod");
  } catch (error) {
    assert.equal((error as Problem).code, "RELEASE_UNKNOWN");
    return error as Problem;
  }
  throw new Error("expected a refusal, got a release");
}

test("back goes to the release before, and back again one further", () => {
  const directory = reported("0.14.0", "0.15.1", "0.16.8");
  assert.equal(rollBackRelease(directory), "000002");
  assert.equal(rollBackRelease(directory), "000001");
});

test("where there is nothing further, back takes the rollback back", () => {
  const directory = reported("0.15.1", "0.16.8");
  assert.equal(rollBackRelease(directory), "000001");
  assert.equal(rollBackRelease(directory), "000002");
  assert.equal(rollBackRelease(directory), "000001");
});

test("after a rollback and another deploy, back goes to what served before the deploy", () => {
  const directory = reported("0.14.0", "0.15.1", "back 000001", "0.16.8");
  assert.equal(back(directory), "000001");
});

test("a release that failed or never came to its end is never gone back to", () => {
  const directory = reported("0.14.0", "failed 0.15.1", "begun 0.16.0", "0.16.8", "failed 0.17.0");
  assert.equal(back(directory), "000001");
  assert.match(refusal(directory, "0.15.1").message, /id or tag 0\.15\.1, got none/);
  refusal(directory, "000003");
  refusal(directory, "0.17.0");
});

test("after a deploy that failed, back is before the one that serves, not that one itself", () => {
  const directory = reported("0.15.1", "0.16.5", "failed 0.16.8");
  assert.equal(newestGood(directory)?.id, "000002");
  assert.equal(back(directory), "000001");
});

test("by its tag the newest good release comes back", () => {
  const directory = reported("0.15.1", "0.16.8", "0.15.1", "failed 0.15.1", "0.16.8");
  assert.equal(chooseRelease(directory, "0.15.1", "prod").id, "000003");
});

test("by its tag a release that was itself a rollback leads to what it restored", () => {
  const directory = reported("0.15.1", "0.16.8", "back 000001", "0.16.8");
  assert.equal(chooseRelease(directory, "0.15.1", "prod").id, "000003");
  assert.equal(back(directory, "0.15.1"), "000001");
});

test("by its id exactly that one comes back, and no other that begins alike", () => {
  const directory = reported("0.15.1", "0.16.8", "0.16.8");
  assert.equal(chooseRelease(directory, "000002", "prod").id, "000002");
  refusal(directory, "00000");
  refusal(directory, "2");
  refusal(directory, "0.16");
});

test("the present release may be asked for by its name", () => {
  assert.equal(chooseRelease(reported("0.15.1", "0.16.8"), "0.16.8", "prod").id, "000002");
});

test("a single good release has nothing before it", () => {
  for (const directory of [reported(), reported("0.16.8"), reported("failed 0.15.1", "0.16.8")])
    assert.match(refusal(directory).message, /before the present one, got none/);
});

test("one that was only brought back to itself has nothing before it", () => {
  refusal(reported("0.16.8", "back 000001"));
});

test("an unknown one is answered with what there is, newest first, and where to read more", () => {
  const problem = refusal(reported("0.15.1", "failed 0.16.5", "0.16.8"), "0.16.9");
  assert.deepEqual(problem.details, [
    "000003 0.16.8 good",
    "000002 0.16.5 failed",
    "000001 0.15.1 good",
  ]);
  assert.equal(problem.next, "npm run releases -- prod");
  assert.equal(problem.exit, 2);
});

test("of many only the newest are listed", () => {
  const { details } = refusal(reported(...Array.from({ length: 20 }, () => "0.16.8")), "nope");
  assert.equal(details.length, 15);
  assert.match(details[0]!, /^000020 /);
});

test("whatever happened before, back never leads to what serves or to what failed", () => {
  const line = fc.constantFrom("0.15.1", "0.16.8", "failed 0.16.8", "begun 0.17.0", "<back>");
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (story) => {
      const directory = reported();
      for (const one of story) {
        if (one !== "<back>") add(directory, one);
        else if (new Set(goodContents(directory)).size > 1) rollBackRelease(directory);
      }
      const contents = goodContents(directory);
      if (new Set(contents).size < 2) return void refusal(directory);
      const to = chooseRelease(directory, undefined, "prod");
      assert.equal(to.outcome, "good");
      assert.notEqual(to.restores ?? to.id, contents[0]);
      assert.ok(contents.includes(to.restores ?? to.id));
    }),
    { numRuns: 25 },
  );
});

/** What each good release is made of, newest first. */
function goodContents(directory: string): string[] {
  return fs
    .readdirSync(join(directory, "releases"))
    .sort()
    .reverse()
    .map((id) =>
      JSON.parse(fs.readFileSync(join(directory, "releases", id, "release.json"), "utf8")),
    )
    .filter((one: Release) => one.outcome === "good")
    .map((one: Release) => one.restores ?? one.id);
}

test("of 1,000 releases only those are read that are looked at", (context) => {
  const directory = reported();
  for (let count = 1; count <= 997; count += 1) mkdirSync(join(directory, "releases", idOf(count)));
  for (const line of ["0.15.1", "failed 0.16.8", "0.16.8"]) add(directory, line);
  const read = context.mock.method(fs, "readFileSync");
  syncBuiltinESMExports();
  try {
    assert.equal(back(directory), "000998");
    assert.equal(read.mock.callCount(), 3);
    assert.equal(back(directory, "0.16.8"), "001000");
    assert.equal(read.mock.callCount(), 4);
  } finally {
    read.mock.restore();
    syncBuiltinESMExports();
  }
});
