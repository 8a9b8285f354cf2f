import assert from "node:assert/strict";
import {
  appendFileSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { appendEntry, type Entry, readEvents } from "../../scripts/state/journal.ts";
import { folder } from "./folder.ts";

const start = Date.parse("2026-01-02T03:00:00.000Z");
const at = (minutes: number) => new Date(start + minutes * 60_000).toISOString();
const file = (directory: string) => join(directory, "journal.jsonl");

const line = (
  run: number,
  step: string,
  event: Entry["event"],
  more: Partial<Entry> = {},
): Entry => ({
  at: at(run),
  run: String(run).padStart(6, "0"),
  command: "deploy:prod",
  step,
  event,
  ...more,
});

/** A journal of these runs: whole ones, or "begun" ones without an end. */
function journal(...runs: ("whole" | "begun")[]): string {
  const directory = folder();
  runs.forEach((kind, index) => {
    const run = index + 1;
    appendEntry(directory, line(run, "", "begin", { by: "ann@box", reason: `why ${run}` }));
    appendEntry(directory, line(run, "pull", "begin"));
    if (kind === "begun") return;
    appendEntry(directory, line(run, "pull", "done"));
    appendEntry(directory, line(run, "", "done", { seconds: 12.5 }));
  });
  return directory;
}

const outcomes = (directory: string, held = false, limit = 50) =>
  readEvents(directory, limit, held).events.map((one) => `${one.at.slice(14, 16)} ${one.outcome}`);

test("where nothing was written there are no events", () => {
  assert.deepEqual(readEvents(folder(), 50, true), { events: [], damaged: 0 });
});

test("a command is reported with all that its first and its last line say", () => {
  const directory = folder();
  const begin = { by: "ann@box", reason: "v2", release: "000002", from: "000001" };
  appendEntry(directory, line(1, "", "begin", begin));
  const end = {
    at: at(3),
    seconds: 118.5,
    databaseStrategy: "migrate",
    message: "verification failed",
  };
  appendEntry(directory, line(1, "", "failed", end));
  assert.deepEqual(readEvents(directory, 50, false).events, [
    {
      command: "deploy",
      environment: "prod",
      by: "ann@box",
      reason: "v2",
      release: "000002",
      from: "000001",
      at: at(1),
      seconds: 118.5,
      outcome: "failed",
      message: "verification failed",
      databaseStrategy: "migrate",
    },
  ]);
});

test("events come newest first, steps are none, and no more than the limit", () => {
  const directory = journal("whole", "whole", "whole");
  assert.deepEqual(outcomes(directory), ["03 done", "02 done", "01 done"]);
  assert.deepEqual(outcomes(directory, false, 2), ["03 done", "02 done"]);
  assert.deepEqual(outcomes(directory, false, 0), []);
  assert.equal(readEvents(directory, 1, false).events[0]?.reason, "why 3");
});

test("what began and has no end was interrupted", () => {
  const directory = journal("begun", "whole", "begun");
  assert.deepEqual(outcomes(directory), ["03 interrupted", "02 done", "01 interrupted"]);
});

test("only the very last one can still run, and only while the lock is held", () => {
  assert.deepEqual(outcomes(journal("begun", "begun"), true), ["02 running", "01 interrupted"]);
  assert.deepEqual(outcomes(journal("begun", "whole"), true), ["02 done", "01 interrupted"]);
});

test("a run that was killed and one that took its number after it are two", () => {
  const directory = folder();
  appendEntry(directory, line(1, "", "begin", { at: at(1) }));
  appendEntry(directory, line(1, "", "begin", { at: at(2) }));
  appendEntry(directory, line(1, "", "done", { at: at(3) }));
  assert.deepEqual(outcomes(directory), ["02 done", "01 interrupted"]);
});

test("an end without seconds took the time since its beginning", () => {
  const directory = folder();
  appendEntry(directory, line(1, "", "begin"));
  appendEntry(directory, line(1, "", "done", { at: at(2) }));
  assert.equal(readEvents(directory, 1, false).events[0]?.seconds, 60);
});

test("torn and damaged lines are counted and passed over", () => {
  const directory = journal("whole", "whole");
  appendFileSync(file(directory), "garbage\n\u0000\u0000\n");
  appendEntry(directory, line(3, "", "begin"));
  truncateSync(file(directory), statSync(file(directory)).size - 9);
  const { events, damaged } = readEvents(directory, 50, false);
  assert.deepEqual([events.length, damaged], [2, 3]);
});

test("an end whose beginning was damaged is reported as far as it is known", () => {
  const directory = journal("whole", "whole");
  const text = readFileSync(file(directory), "utf8");
  writeFileSync(file(directory), text.replace('"why 2"', '"why 9"'));
  const { events, damaged } = readEvents(directory, 50, false);
  assert.equal(damaged, 1);
  assert.deepEqual(
    events.map((one) => [one.reason, one.outcome, one.seconds]),
    [
      [null, "done", 12.5],
      ["why 1", "done", 12.5],
    ],
  );
  assert.equal(events[0]?.at, new Date(start + 120_000 - 12_500).toISOString());
});

test("lines of every length are found again, wherever the file is cut into chunks", () => {
  const runs = fc.array(fc.tuple(fc.nat(150_000), fc.boolean()), { maxLength: 6 });
  fc.assert(
    fc.property(runs, (requested) => {
      const directory = folder();
      requested.forEach(([letters, ends], index) => {
        appendEntry(directory, line(index, "", "begin", { reason: "ä".repeat(letters) }));
        if (ends) appendEntry(directory, line(index, "", "done"));
      });
      const { events, damaged } = readEvents(directory, 50, false);
      assert.equal(damaged, 0);
      assert.deepEqual(
        events.map((one) => [one.reason?.length, one.outcome === "done"]),
        requested.toReversed(),
      );
    }),
    { numRuns: 40 },
  );
});

test("the file is closed when enough was read", () => {
  const directory = journal("whole", "whole");
  const open = () => readdirSync("/dev/fd").length;
  const before = open();
  for (let times = 0; times < 5; times += 1) readEvents(directory, 1, false);
  assert.equal(open(), before);
});

test("the last 50 events are read after 10,000 releases", () => {
  const directory = folder();
  const one = folder();
  appendEntry(one, line(1, "", "begin", { by: "ann@box", reason: "a new version" }));
  for (let step = 0; step < 9; step += 1) {
    appendEntry(one, line(1, `step ${step}`, "begin"));
    appendEntry(one, line(1, `step ${step}`, "done", { detail: "as it was expected to be" }));
  }
  appendEntry(one, line(1, "", "done", { seconds: 118 }));
  const block = readFileSync(file(one), "utf8");
  for (let hundred = 0; hundred < 100; hundred += 1)
    appendFileSync(file(directory), block.repeat(100));
  assert.equal(readEvents(directory, 50, false).events.length, 50);
});
