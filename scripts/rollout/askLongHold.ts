import { rehearsedMargin } from "../cutover/assertPauseCovers.ts";
import { findDoor, pauseSeconds } from "../cutover/findDoor.ts";
import { lastSpansMs } from "../cutover/lastSpans.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
import { longestHold } from "../stack/proxyUpstream.ts";
import { takesSnapshot } from "./takesSnapshot.ts";
import { isProvenBeside, type Rehearsal } from "./rehearse.ts";

/**
 * What the rehearsal does not measure: for the old server to answer what it was asked, and for containers
 * to be made.
 */
const otherSeconds = 2.5;
/** The same for a server that is replaced: it is stopped, and the new one is verified before requests go on. */
const replacingSeconds = 2;

/** How long requests will wait at the proxy, in seconds, as the rehearsal measured its parts. Pure. */
export function expectedPause(
  rehearsal: Pick<
    Rehearsal,
    "beside" | "wayBack" | "copySeconds" | "migrateSeconds" | "bootSeconds"
  >,
  drainSeconds: number,
): number {
  const { copySeconds, migrateSeconds, bootSeconds } = rehearsal;
  const stays = isProvenBeside(rehearsal);
  const restart = stays ? 0 : drainSeconds + bootSeconds + replacingSeconds;
  const copy = takesSnapshot(rehearsal, stays) ? copySeconds : 0;
  return copy + migrateSeconds + restart + otherSeconds;
}

/**
 * Says how long requests will be held, as the rehearsal measured it, and asks where that is
 * longer than HOLD_MAX.
 * @returns in seconds, how long requests may wait, as the operator agreed, and how long they are expected
 *   to; null where nothing was rehearsed or no request is paused
 * @throws Problem CONFIRMATION_NEEDED where nobody can be asked
 */
export async function askLongHold(
  { settings, prepared: { stack } }: Target,
  rehearsal: Rehearsal | null,
  tools: Tools,
): Promise<{ readonly pauseSeconds: number; readonly expectedPauseSeconds: number | null }> {
  const agreed = pauseSeconds(settings);
  const unknown = { pauseSeconds: agreed, expectedPauseSeconds: null };
  if (rehearsal === null || settings.get("CUTOVER") === "stop") return unknown;
  if ((await findDoor(settings, tools)) === undefined) return unknown;
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  const drainSeconds = lastSpansMs(server) / 1000;
  const expected = expectedPause(rehearsal, drainSeconds);
  const most = settings.get("HOLD_MAX") || longestHold;
  const told = `requests wait at the proxy for about ${expected.toFixed(0)} s, as rehearsed`;
  if (expected <= agreed) {
    tools.say.note(told);
    return { pauseSeconds: agreed, expectedPauseSeconds: expected };
  }
  const lines = [told, `HOLD_MAX is ${most}: clients that wait less long see a failed request`];
  await tools.say.confirm("Go on?", lines);
  return { pauseSeconds: expected * rehearsedMargin, expectedPauseSeconds: expected };
}
