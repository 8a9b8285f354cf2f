import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseCommand } from "./chooseCommand.ts";
import { Dice } from "./dice.ts";
import { faults } from "./faults.ts";

/** What a cycle of a seed is: its command and its fault, in words. */
function thrown(seed: number, cycle: number): string {
  const dice = new Dice(seed, cycle);
  const typed = chooseCommand(dice, `r${1 + (cycle % 4)}`).join(" ");
  return `${typed}; ${dice.pick(faults)(dice).name}`;
}
const cycles = Array.from({ length: 200 }, (_, index) => index + 1);
const all = (seed: number) => cycles.map((cycle) => thrown(seed, cycle));

test("the same seed throws the same cycles, another seed others", () => {
  assert.deepEqual(all(7), all(7));
  assert.notDeepEqual(all(7), all(8));
});

test("two hundred cycles have every fault in them, and every kind of command", () => {
  const said = all(1);
  const kinds = faults.map((fault) => fault(new Dice(0, 0)).name.split(" ").slice(0, 3).join(" "));
  const has = (words: string) => said.some((one) => one.includes(words));
  assert.deepEqual(
    kinds.filter((kind) => !has(kind)),
    [],
  );
  for (const words of [
    "rollback --env",
    "--database copy",
    "--database downgrade",
    "deploy prod 5.0.0",
  ])
    assert.ok(has(words), words);
});

test("a die falls on each of its sides about as often", () => {
  const dice = new Dice(3, 1);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let throws = 0; throws < 6000; throws += 1) counts[dice.below(6)]! += 1;
  assert.ok(
    counts.every((count) => count > 850 && count < 1150),
    counts.join(" "),
  );
});
