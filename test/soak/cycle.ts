import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { Reported } from "../real/prodWorkspace.ts";
import type { Story } from "../real/story.ts";
import { chooseCommand, type Typed } from "./chooseCommand.ts";
import { Dice } from "./dice.ts";
import { faults, type Thrown } from "./faults.ts";
import versions from "../fakes/server/versions.json" with { type: "json" };

/** No command takes that long, however much else the machine does. */
const hangsAfterMs = 15 * 60_000;

/** The image that the soak's tags stand for: a name of its own, whose tags may be taken away. */
export const image = "letta-test-soak";

/** Gives each version its tag, also where a fault took it away. */
export function tagImages(): void {
  for (const version of Object.keys(versions)) {
    const tagged = spawnSync("docker", [
      "tag",
      `letta-stack-fake-server:${version}`,
      `${image}:${version}`,
    ]);
    assert.equal(tagged.status, 0, tagged.stderr.toString());
  }
}

/**
 * One command and one fault, thrown by the seed; then what must hold, whatever was thrown.
 * @param tell gets what was thrown before anything is done, and what it came to
 * @throws AssertionError at the first thing that does not hold
 */
export async function cycle(
  story: Story,
  seed: number,
  number: number,
  tell: (line: string) => void,
): Promise<void> {
  const dice = new Dice(seed, number);
  const { place } = story;
  const typed = chooseCommand(dice, place.revision());
  const fault = dice.pick(faults)(dice);
  tell(`${number}: ${typed.join(" ")}; ${fault.name}`);
  await story.write();
  const previous = place.newestGood()!.tag;
  const reported = await ran(story, typed, fault);
  tell(`  exit ${reported?.code ?? "none"}: ${String(reported?.said["message"] ?? "")}`);
  if (reported !== undefined) await assertTruth(story, typed, fault, previous, reported);
  tagImages();
  if (reported === undefined || reported.code === 5) {
    const [entry, ...args] = typed;
    const again = await inTime(place.tell(entry, args), "the command again");
    tell(`  again: exit ${again.code}: ${String(again.said["message"] ?? "")}`);
    assertCode(story, again, [0, 2, 3, 4]);
  }
  const good = place.newestGood()!.tag;
  assertCode(story, await inTime(place.deploy(good), "the deploy of what is good"), [0]);
  await story.assertInvariants(good);
  tell(`  ${good} serves at ${place.revision()}, release ${place.newestGood()!.id}`);
  for (const name of place.databases().filter((one) => one.startsWith("letta_retained_")))
    place.psql(`DROP DATABASE ${name} WITH (FORCE)`, "postgres");
}

/** @returns undefined where the command was killed, or no one read what it said */
async function ran(story: Story, typed: Typed, fault: Thrown): Promise<Reported | undefined> {
  const [entry, ...args] = typed;
  await fault.before?.(story);
  const from = story.place.journal().length;
  const running = story.place.start(entry, [...args, "--json"], fault.more);
  const [, ended] = await inTime(
    Promise.all([fault.during?.(story, running, from), running.ended]),
    "the command",
  );
  await fault.after?.(story);
  if (ended.stdout === "") {
    assert.ok(fault.kills, `it ended with ${ended.code} and no word: ${ended.stderr}`);
    return undefined;
  }
  return { ...ended, said: JSON.parse(ended.stdout) as Reported["said"] };
}

/** What a command said about itself is so. */
async function assertTruth(
  story: Story,
  [entry, , tag]: Typed,
  fault: Thrown,
  previous: string,
  reported: Reported,
): Promise<void> {
  const bad = entry === "rollback" ? [2] : [];
  const served = fault.outside ? [5] : [];
  assertCode(story, reported, [0, 3, 4, ...bad, ...served]);
  if (fault.outside) return;
  const asked = entry === "deploy" ? tag! : String(reported.said["tag"]);
  const expected = reported.code === 0 ? asked : previous;
  assert.equal(
    await story.place.version(),
    expected,
    `exit ${reported.code}, and it does not serve`,
  );
}

function assertCode(story: Story, reported: Reported, codes: readonly number[]): void {
  assert.ok(
    codes.includes(reported.code ?? -1),
    `exit ${reported.code}: ${JSON.stringify(reported.said)}`,
  );
  story.ends(reported, reported.code!);
}

async function inTime<Result>(work: Promise<Result>, what: string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), hangsAfterMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
