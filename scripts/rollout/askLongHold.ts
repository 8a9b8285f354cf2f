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
  const restart = stays ? 0 : drainSeconds + bootSeconds;
  const copy = takesSnapshot(rehearsal, stays) ? copySeconds : 0;
  return copy + migrateSeconds + restart + otherSeconds;
}

/**
 * Says how long requests will be held, as the rehearsal measured it, and asks where that is
 * longer than HOLD_MAX.
 * @returns how long requests may wait, in seconds, as the operator agreed
 * @throws Problem CONFIRMATION_NEEDED where nobody can be asked
 */
export async function askLongHold(
  { settings, prepared: { stack } }: Target,
  rehearsal: Rehearsal | null,
  tools: Tools,
): Promise<number> {
  const agreed = pauseSeconds(settings);
  if (rehearsal === null || settings.get("CUTOVER") === "stop") return agreed;
  if ((await findDoor(settings, tools)) === undefined) return agreed;
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  const drainSeconds = lastSpansMs(server) / 1000;
  const expected = expectedPause(rehearsal, drainSeconds);
  const most = settings.get("HOLD_MAX") || longestHold;
  const told = `requests wait at the proxy for about ${expected.toFixed(0)} s, as rehearsed`;
  if (expected <= agreed) {
    tools.say.note(told);
    return agreed;
  }
  const lines = [told, `HOLD_MAX is ${most}: clients that wait less long see a failed request`];
  await tools.say.confirm("Go on?", lines);
  return expected * rehearsedMargin;
}
