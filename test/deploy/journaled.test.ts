import assert from "node:assert/strict";
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { type Entry, readJournal } from "../../scripts/state/journal.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { journaled } from "../../scripts/deploy/session.ts";
import { folder } from "../state/folder.ts";
import { rolloutOn } from "./simulation.ts";

/** A journal of its own, on a clock that goes on by a second at each look. */
function begun(command = "deploy:prod") {
  const directory = stateDirectory(folder(), "prod");
  let seconds = 0;
  const now = () => Date.parse("2026-01-02T03:04:05.000Z") + 1000 * (seconds += 1);
  const on = rolloutOn({}, now);
  const journal = journaled(on.context, directory, command, (text) => text);
  return { ...journal, on, directory };
}

/** The journal in words. */
const lines = (directory: string) =>
  readJournal(directory).map(({ step, event, detail, message }) =>
    [event, step || "(the command)", detail ?? message ?? ""].join(" ").trim(),
  );
const who = { by: "ann@box", reason: null };
const nothing = async () => ({});

test("a command that does nothing leaves no line, and no file", async () => {
  const { command, directory } = begun();
  await command(who, nothing);
  assert.equal(existsSync(join(directory, "journal.jsonl")), false);
});

test("a command that is refused before its first step leaves no line", async () => {
  const { command, directory } = begun();
  const refused = new Problem("DISK_TOO_SMALL", "no space");
  await assert.rejects(
    command(who, () => Promise.reject(refused)),
    refused,
  );
  assert.equal(existsSync(join(directory, "journal.jsonl")), false);
});

test("what only notes and asks leaves no line", async () => {
  const { command, directory, context } = begun();
  await command(who, async () => {
    context.reporter.note("it is so");
    await context.reporter.confirm("Sure?", []);
    return {};
  });
  assert.deepEqual(lines(directory), []);
});

test("the command's beginning is written with its first step, intent before act, outcome after", async () => {
  const { command, directory, context } = begun();
  let during: string[] = [];
  await command(who, async () => {
    await context.reporter.step("dump", async () => (during = lines(directory)));
    await context.reporter.step(
      "migrate",
      async () => 3,
      (count) => `${count} migrations`,
    );
    return {};
  });
  assert.deepEqual(during, ["begin (the command)", "begin dump"]);
  assert.deepEqual(lines(directory), [
    "begin (the command)",
    "begin dump",
    "done dump",
    "begin migrate",
    "done migrate 3 migrations",
    "done (the command)",
  ]);
});

test("a step within a step stands within it", async () => {
  const { command, directory, context } = begun();
  await command(who, async () => {
    await context.reporter.step("outer", () => context.reporter.step("inner", nothing));
    return {};
  });
  assert.deepEqual(lines(directory).slice(1, -1), [
    "begin outer",
    "begin inner",
    "done inner",
    "done outer",
  ]);
});

test("a step that fails is written with its words, and so is the command; both throw the same", async () => {
  const { command, directory, context } = begun();
  const failure = new Problem("STEP_FAILED", "it broke", { details: ["not in the journal"] });
  const run = command(who, async () => {
    await context.reporter.step("start", () => Promise.reject(failure));
    return {};
  });
  await assert.rejects(run, (error) => error === failure);
  assert.deepEqual(lines(directory), [
    "begin (the command)",
    "begin start",
    "failed start it broke",
    "failed (the command) it broke",
  ]);
});

test("a failure that was caught leaves the command good", async () => {
  const { command, directory, context } = begun();
  await command(who, async () => {
    await context.reporter
      .step("try", () => Promise.reject(new Error("no")))
      .catch(() => undefined);
    return {};
  });
  assert.deepEqual(lines(directory).slice(-2), ["failed try Error: no", "done (the command)"]);
});

test("who, why, what it led to and how long it took stand in its first and last line", async () => {
  const { command, directory, context } = begun("rollback:prod");
  await command({ by: "ann@box", reason: "agents fail" }, async () => {
    await context.reporter.step("one", nothing);
    return { release: "000004", from: "000003", databaseStrategy: "keep" };
  });
  const entries = readJournal(directory);
  const first = entries[0]!;
  const last = entries.at(-1)!;
  assert.deepEqual(
    [first.by, first.reason, first.step, first.event],
    ["ann@box", "agents fail", "", "begin"],
  );
  assert.deepEqual(
    [last.release, last.from, last.databaseStrategy, last.event],
    ["000004", "000003", "keep", "done"],
  );
  assert.ok(last.seconds! > 0);
  for (const { command: name } of entries) assert.equal(name, "rollback:prod");
});

test("what it did not come to is left out rather than written as nothing", async () => {
  const { command, directory, context } = begun();
  await command(who, async () => {
    await context.reporter.step("one", nothing);
    return { release: "000001", from: null, databaseStrategy: null };
  });
  const entries = readJournal(directory);
  const keys: (keyof Entry)[] = ["from", "databaseStrategy", "message", "reason"];
  for (const entry of entries) for (const key of keys) assert.ok(!(key in entry), key);
});

test("all lines of a run carry its name, and times go on", async () => {
  const { command, directory, context } = begun();
  await command(who, async () => {
    await context.reporter.step("one", nothing);
    return {};
  });
  const entries = readJournal(directory);
  assert.equal(new Set(entries.map((one) => one.run)).size, 1);
  assert.match(entries[0]!.run, /^[0-9a-f]{12}$/);
  const times = entries.map((one) => one.at);
  assert.deepEqual(times, [...times].sort());
});

test("what is asked to people goes on as before", async () => {
  const { command, context, on } = begun();
  await command(who, async () => {
    assert.equal(await context.reporter.step("one", async () => 7), 7);
    return {};
  });
  assert.deepEqual(
    on.steps.map((one) => [one.name, one.outcome]),
    [["one", "done"]],
  );
  assert.equal(context.reporter.steps, on.context.reporter.steps);
});

test("a step's parameters go on to anyone who listens, and not into the journal", async () => {
  const directory = stateDirectory(folder(), "prod");
  const { context } = rolloutOn({}, () => 0);
  const heard: unknown[] = [];
  const reporter: typeof context.reporter = {
    ...context.reporter,
    step: (name, work, outcome, parameters) => {
      heard.push(parameters);
      return context.reporter.step(name, work, outcome);
    },
  };
  const journal = journaled({ ...context, reporter }, directory, "deploy:prod", (text) => text);
  await journal.command(who, async () => {
    await journal.context.reporter.step("create", nothing, undefined, { services: ["server"] });
    return {};
  });
  assert.deepEqual(heard, [{ services: ["server"] }]);
  assert.ok(!JSON.stringify(readJournal(directory)).includes("services"));
});

test("a journal that cannot be written any more hides neither a failure nor an end", async () => {
  const failure = new Problem("ROLLED_BACK", "the previous one serves");
  for (const end of [failure, undefined]) {
    const { command, directory, context } = begun();
    const ran = command(who, async () => {
      await context.reporter.step("copy", nothing);
      rmSync(join(directory, "journal.jsonl"));
      symlinkSync("/dev/full", join(directory, "journal.jsonl"));
      if (end !== undefined) throw end;
      return {};
    });
    if (end === undefined) assert.deepEqual(await ran, {});
    else await assert.rejects(ran, end);
  }
});

test("a step whose intent cannot be written is not begun", async () => {
  const { command, directory, context } = begun();
  symlinkSync("/dev/full", join(directory, "journal.jsonl"));
  let isBegun = false;
  const ran = command(who, async () => {
    await context.reporter.step("copy", async () => (isBegun = true));
    return {};
  });
  await assert.rejects(ran, { code: "ENOSPC" });
  assert.equal(isBegun, false);
});

test("a beginning that the disk refused is written with the next step", async () => {
  const { command, directory, context } = begun();
  const journal = join(directory, "journal.jsonl");
  symlinkSync("/dev/full", journal);
  await command(who, async () => {
    await assert.rejects(
      context.reporter.step("copy", async () => undefined),
      { code: "ENOSPC" },
    );
    rmSync(journal);
    await context.reporter.step("go back", async () => undefined);
    return {};
  });
  assert.deepEqual(lines(directory), [
    "begin (the command)",
    "begin go back",
    "done go back",
    "done (the command)",
  ]);
  assert.equal(readJournal(directory)[0]!.by, who.by);
});
