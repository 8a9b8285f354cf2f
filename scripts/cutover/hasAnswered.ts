import { setTimeout as sleep } from "node:timers/promises";
import type { Tools } from "../parts/tools.ts";
import type { Door } from "./findDoor.ts";

const pollMs = 250;

/**
 * Waits until a held server has answered all it was asked, streams too.
 * @param until milliseconds since 1970
 * @returns false where it has not by then, or where the proxy does not tell
 */
export async function hasAnswered(
  door: Pick<Door, "underWay">,
  until: number,
  { now, signal }: Pick<Tools, "now" | "signal">,
): Promise<boolean> {
  for (;;) {
    const left = await door.underWay();
    if (left === 0) return true;
    if (left === undefined || now() >= until) return false;
    await sleep(pollMs, undefined, { signal });
  }
}
