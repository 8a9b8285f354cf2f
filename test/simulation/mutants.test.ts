import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mutants } from "./mutants.ts";
import { simulate } from "./simulate.ts";
import { chances, storedSchedules } from "./stored.ts";

// A simulation that finds nothing may only be blind: each of these mistakes in the tool's own
// source has to be found, by the shortest schedule that found it once.
const stored = new Map(storedSchedules("mutants").map((one) => [one.once, one.schedule]));

describe("the simulation finds it where", { concurrency: 2 }, () => {
  for (const mutant of mutants) {
    test(mutant.name, async () => {
      const schedule = stored.get(mutant.name);
      assert.ok(
        schedule,
        "expected a stored schedule, got none: npm run simulate -- --mutants 2000",
      );
      const { failures } = await simulate({ schedules: chances(schedule), workers: 1, mutant });
      assert.notEqual(
        failures.length,
        0,
        "not found; another one: npm run simulate -- --mutants 2000",
      );
    });
  }
});

test("each stored schedule of a mutant has its mutant", () => {
  const names = new Set(mutants.map((one) => one.name));
  assert.deepEqual(
    [...stored.keys()].filter((one) => !names.has(one)),
    [],
  );
});
