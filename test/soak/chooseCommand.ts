import type { Dice } from "./dice.ts";

/** What an operator types: the entry and its arguments. */
export type Typed = readonly [entry: string, ...args: string[]];

const deploy = (tag: string): Typed => ["deploy", "prod", tag, "--yes"];
const rollback = (...args: string[]): Typed => ["rollback", ...args, "--env", "prod", "--yes"];
const by = (databaseStrategy: string, ...to: string[]) =>
  rollback(...to, "--database", databaseStrategy);

const forward = ["1.0.0", "1.1.0", "2.0.0", "2.0.0", "3.0.0", "4.0.0", "6.0.0"].map(deploy);
/**
 * From each revision of the fake server's line (versions.json): what leads on, back, and nowhere.
 * Without `--database restore`: it loses by intent what was written since, and nothing may be
 * lost here.
 */
const commands: Readonly<Record<string, readonly Typed[]>> = {
  r1: [...forward, rollback()],
  r2: [
    rollback(),
    rollback("1.0.0"),
    rollback("1.0.0"),
    by("keep", "1.0.0"),
    by("copy", "1.0.0"),
    by("downgrade", "1.0.0"),
    by("auto", "1.1.0"),
    ...["2.0.0", "3.0.0", "4.0.0", "6.0.0", "1.0.0"].map(deploy),
  ],
  r3: [
    rollback(),
    rollback("1.0.0"),
    by("keep", "2.0.0"),
    by("copy"),
    by("downgrade"),
    ...["3.0.0", "4.0.0", "2.0.0"].map(deploy),
  ],
  r4: [
    rollback(),
    by("downgrade"),
    by("downgrade", "2.0.0"),
    by("downgrade", "1.0.0"),
    ...["4.0.0", "5.0.0", "1.0.0"].map(deploy),
  ],
};

/** @param revision that of the database */
export function chooseCommand(dice: Dice, revision: string): Typed {
  return dice.pick(commands[revision] ?? forward);
}
