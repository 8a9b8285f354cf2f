import assert from "node:assert/strict";
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { appendEntry, type Entry, readJournal } from "../../scripts/state/journal.ts";
import { folder } from "./folder.ts";

const entry = (step: string): Entry => ({
  at: "2026-01-02T03:04:05.000Z",
  run: "000001",
  command: "up:dev",
  step,
  event: "begin",
});

/** A journal with these steps, and the path of its file. */
function journal(...steps: string[]) {
  const directory = folder();
  for (const step of steps) appendEntry(directory, entry(step));
  return { directory, file: join(directory, "journal.jsonl") };
}

const steps = (directory: string) => readJournal(directory).map((one) => one.step);

test("where nothing was written there is nothing to read", () => {
  assert.deepEqual(readJournal(folder()), []);
});

test("entries come back as they were written, oldest first", () => {
  const { directory } = journal("a");
  const failed: Entry = { ...entry("b"), event: "failed", detail: 'line\nbreak "and" \u2028 all' };
  appendEntry(directory, failed);
  assert.deepEqual(readJournal(directory), [entry("a"), failed]);
});

test("a torn last line is left out", () => {
  const { directory, file } = journal("a", "b");
  truncateSync(file, statSync(file).size - 20);
  assert.deepEqual(steps(directory), ["a"]);
});

test("what is written after a torn line is not lost with it", () => {
  const { directory, file } = journal("a", "b");
  truncateSync(file, statSync(file).size - 20);
  appendEntry(directory, entry("c"));
  assert.deepEqual(steps(directory), ["a", "c"]);
});

test("a line whose end alone is missing is whole, and so is the next", () => {
  const { directory, file } = journal("a");
  truncateSync(file, statSync(file).size - 1);
  appendEntry(directory, entry("b"));
  assert.deepEqual(steps(directory), ["a", "b"]);
});

test("no flipped bit makes another entry", () => {
  const { directory, file } = journal("a", "b");
  const written = readFileSync(file);
  const known = readJournal(directory).map((one) => JSON.stringify(one));
  fc.assert(
    fc.property(fc.nat(written.length - 1), fc.nat(7), (at, bit) => {
      const flipped = Buffer.from(written);
      flipped[at] = flipped[at]! ^ (1 << bit);
      writeFileSync(file, flipped);
      for (const one of readJournal(directory)) assert.ok(known.includes(JSON.stringify(one)));
    }),
    { numRuns: 400 },
  );
});

for (const line of ["null", "5", "[]", "{}", '"text"', "\u0000\u0000"]) {
  test(`a line that says ${JSON.stringify(line)} is left out`, () => {
    const { directory, file } = journal("a");
    appendFileSync(file, `${line}\n`);
    assert.deepEqual(steps(directory), ["a"]);
  });
}

test("the journal is no one else's to read", () => {
  assert.equal(statSync(journal("a").file).mode & 0o777, 0o600);
});

test("every field of an entry comes back", () => {
  const { directory } = journal();
  const whole: Entry = {
    ...entry(""),
    by: "ann@box",
    reason: ',"sum":"',
    release: "000002",
    from: "000001",
    seconds: 1.5,
    databaseStrategy: "keep",
    message: "ö\n",
  };
  appendEntry(directory, whole);
  assert.deepEqual(readJournal(directory), [whole]);
});

test("a journal that an earlier version wrote is read", () => {
  const { directory, file } = journal();
  // Written by the first version of this tool.
  const line =
    '{"at":"2026-01-02T03:04:05.000Z","run":"000001","command":"up:dev","step":"a","event":"begin","sum":"a2133fb9"}';
  writeFileSync(file, `${line}\n`);
  assert.deepEqual(readJournal(directory), [entry("a")]);
});
