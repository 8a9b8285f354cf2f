import { longestPause } from "../stack/proxyConfiguration.ts";
import type { Context } from "../state/context.ts";
import { flushSpansMs, rehearsedMargin } from "./pauseFor.ts";
import { findProxyControl, pauseSeconds } from "./proxyControl.ts";
import { isCompatible, type Rehearsal } from "./rehearse.ts";
import type { Target } from "./target.ts";

/**
 * What the rehearsal does not measure: for the old server to answer what it was asked, and for containers
 * to be made.
 */
const otherSeconds = 2.5;
/** The same for a server that is replaced: it is stopped, and the new one is verified before requests go on. */
const replacingSeconds = 2;

/** How long requests will wait at the proxy, in seconds, as the rehearsal measured its services. Pure. */
export function expectedPause(
  rehearsal: Pick<
    Rehearsal,
    "sideBySide" | "rollbackCheck" | "copySeconds" | "migrateSeconds" | "bootSeconds"
  >,
  drainSeconds: number,
): number {
  const { copySeconds, migrateSeconds, bootSeconds } = rehearsal;
  const stays = isCompatible(rehearsal);
  const restart = stays ? 0 : drainSeconds + bootSeconds + replacingSeconds;
  const copy = takesSnapshot(rehearsal, stays) ? copySeconds : 0;
  return copy + migrateSeconds + restart + otherSeconds;
}

/**
 * Says how long requests will be held, as the rehearsal measured it, and asks where that is
 * longer than PAUSE_TIMEOUT.
 * @returns in seconds, how long requests may wait, as the operator agreed, and how long they are expected
 *   to; null where nothing was rehearsed or no request is paused
 * @throws Problem CONFIRMATION_NEEDED without a terminal
 */
export async function confirmLongPause(
  { settings, prepared: { stack } }: Target,
  rehearsal: Rehearsal | null,
  context: Context,
): Promise<{ readonly pauseSeconds: number; readonly expectedPauseSeconds: number | null }> {
  const agreed = pauseSeconds(settings);
  const unknown = { pauseSeconds: agreed, expectedPauseSeconds: null };
  if (rehearsal === null || settings.get("DEPLOY_STRATEGY") === "recreate") return unknown;
  if ((await findProxyControl(settings, context)) === undefined) return unknown;
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  const drainSeconds = flushSpansMs(server) / 1000;
  const expected = expectedPause(rehearsal, drainSeconds);
  const most = settings.get("PAUSE_TIMEOUT") || longestPause;
  const reported = `requests will queue at the proxy for about ${expected.toFixed(0)} s, as rehearsed`;
  if (expected <= agreed) {
    context.reporter.note(reported);
    return { pauseSeconds: agreed, expectedPauseSeconds: expected };
  }
  const lines = [reported, `PAUSE_TIMEOUT is ${most}: requests that wait longer fail`];
  await context.reporter.confirm("Go on?", lines);
  return { pauseSeconds: expected * rehearsedMargin, expectedPauseSeconds: expected };
}

/** In seconds: requests do not notice a pause that is longer by this. */
const shortCopy = 1;

/**
 * Whether a migrating deploy copies the live database while requests are paused. Where the old server
 * serves on through the migration, the copy is never put live: acknowledged writes would be missing in it
 * (`planDatabaseRollback`). So a copy that would make the pause depend on the database's size is left out; the
 * verified backup from before the rehearsal stays. Pure.
 * @param oldServerStays whether the old server is left running on the database
 */
export function takesSnapshot(
  rehearsal: Pick<Rehearsal, "sideBySide" | "rollbackCheck" | "copySeconds">,
  oldServerStays: boolean,
): boolean {
  return !(oldServerStays && isCompatible(rehearsal) && rehearsal.copySeconds > shortCopy);
}
