import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../state/context.ts";
import type { ProxyControl } from "./proxyControl.ts";

const pollMs = 250;

/**
 * Waits until a held server has answered all it was asked, streams too.
 * @param until milliseconds since 1970
 * @returns false where it has not by then, or where the proxy does not tell
 */
export async function waitForInFlight(
  proxyControl: Pick<ProxyControl, "underWay">,
  until: number,
  { now, signal }: Pick<Context, "now" | "signal">,
): Promise<boolean> {
  for (;;) {
    const left = await proxyControl.underWay();
    if (left === 0) return true;
    if (left === undefined || now() >= until) return false;
    await sleep(pollMs, undefined, { signal });
  }
}
