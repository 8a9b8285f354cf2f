import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Entry, readEntry } from "../../scripts/state/journal.ts";
import type { ProdWorkspace } from "./prodWorkspace.ts";

export interface Killed {
  readonly pid: number;
  /** The journal's line at which it was killed; undefined where it ended before. */
  readonly at: Entry | undefined;
  readonly code: number | null;
}

/** Runs a command and kills it as soon as the journal has this many lines more. */
export async function killAt(
  place: ProdWorkspace,
  command: readonly string[],
  line: number,
  onLine: (entry: Entry) => void = () => undefined,
): Promise<Killed> {
  const path = join(place.state, "journal.jsonl");
  const size = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const from = size();
  const [entry = "", ...args] = command;
  const running = place.start(entry, [...args, "--json"]);
  const pid = running.child.pid!;
  let ran: { code: number | null } | undefined;
  void running.ended.then((one) => (ran = one));
  let seen = from;
  let reported = 0;
  while (ran === undefined) {
    if (size() !== seen) {
      seen = size();
      const text = readFileSync(path).subarray(from).toString();
      const whole = text
        .slice(0, text.lastIndexOf("\n") + 1)
        .split("\n")
        .slice(0, -1);
      if (whole.length >= line) {
        running.child.kill("SIGKILL");
        await running.ended;
        return { pid, at: readEntry(whole[line - 1]!), code: null };
      }
      for (; reported < whole.length; reported += 1) {
        const read = readEntry(whole[reported]!);
        if (read) onLine(read);
      }
    }
    await sleep(1);
  }
  return { pid, at: undefined, code: ran.code };
}

/** What a command writes into the journal when no one kills it. */
export async function seenOf(place: ProdWorkspace, command: readonly string[], code = 0) {
  const before = place.journal().length;
  const [entry = "", ...args] = command;
  const ran = await place.tell(entry, args);
  assert.equal(ran.code, code, JSON.stringify(ran.said));
  return place.journal().slice(before);
}
