import { setTimeout as sleep } from "node:timers/promises";
import type { Tools } from "../parts/tools.ts";
import type { Door } from "./findDoor.ts";

/** Nobody waits for long behind so few. */
const few = 8;
const pollMs = 250;
/** What has not become less for so long is what there always is, such as streams. */
const fallsMs = 15_000;
const mostMs = 120_000;

/**
 * Waits while a server works off what has piled up at it, as it does beside a rehearsal on few
 * cores: held before that, those behind the pile would wait for it and for the hold.
 */
export async function caughtUp(
  door: Pick<Door, "underWay">,
  { now, signal }: Pick<Tools, "now" | "signal">,
): Promise<void> {
  const until = now() + mostMs;
  let [least, fell] = [Infinity, now()];
  for (;;) {
    const left = await door.underWay();
    if (left === undefined || left <= few || now() >= until) return;
    if (left < least) [least, fell] = [left, now()];
    else if (now() - fell >= fallsMs) return;
    await sleep(pollMs, undefined, { signal });
  }
}
