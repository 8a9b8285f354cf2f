import { rehearsedMargin } from "../cutover/assertPauseCovers.ts";
import { findDoor, pauseSeconds } from "../cutover/findDoor.ts";
import { lastSpansMs } from "../cutover/lastSpans.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
import { longestHold } from "../stack/proxyUpstream.ts";
import { isProvenBeside, type Rehearsal } from "./rehearse.ts";

/** For the old server to stop, and the copy of the database to be made. */
const besideSeconds = 5;

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
  const restart = isProvenBeside(rehearsal) ? 0 : drainSeconds + rehearsal.bootSeconds;
  const expected = rehearsal.migrateSeconds + restart + besideSeconds;
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
