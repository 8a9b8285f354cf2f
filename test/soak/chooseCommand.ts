import type { Dice } from "./dice.ts";

/** What an operator types: the entry and its arguments. */
export type Typed = readonly [entry: string, ...args: string[]];

/** The stand-in's versions, those that work more often; what fails with 5 and 6: versions.json. */
const tags = ["1.0.0", "1.0.0", "1.1.0", "2.0.0", "2.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"];
const failing = ["6.0.0"];

/** Without `restore`: it loses by intent what was written since, and nothing may be lost here. */
const ways = [undefined, undefined, "keep", "carry", "downgrade"] as const;

/** A deploy or, one time in three, a rollback. */
export function chooseCommand(dice: Dice): Typed {
  if (dice.below(3) > 0) return ["deploy", "prod", dice.pick([...tags, ...failing]), "--yes"];
  const to = dice.pick([[], [], ["1.0.0"], ["2.0.0"]]);
  const way = dice.pick(ways);
  const asked = way === undefined ? [] : ["--database", way];
  return ["rollback", ...to, ...asked, "--env", "prod", "--yes"];
}
