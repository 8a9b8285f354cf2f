import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mutants } from "./mutants.ts";
import { simulate } from "./simulate.ts";

// A simulation that finds nothing may only be blind: each of these mistakes in the tool's own
// source has to be found, within a few runs from a seed at which it once was.
const runs = 40;

describe("the simulation finds it where", { concurrency: 2 }, () => {
  for (const mutant of mutants) {
    const { name, seed = 1 } = mutant;
    test(name, async () => {
      const { failures } = await simulate({ seed, runs, workers: 1, mutant, untilFailure: true });
      assert.notEqual(failures.length, 0, `not found in ${runs} runs from seed ${seed}`);
    });
  }
});
