import { durationMs } from "../common/durationMs.ts";
import { findDoor } from "../cutover/findDoor.ts";
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
 * @throws Problem CONFIRMATION_NEEDED where nobody can be asked
 */
export async function askLongHold(
  { settings, prepared: { stack } }: Target,
  rehearsal: Rehearsal | null,
  tools: Tools,
): Promise<void> {
  if (rehearsal === null || settings.get("CUTOVER") === "stop") return;
  if ((await findDoor(settings, "ask", tools)) === undefined) return;
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  const drainSeconds = lastSpansMs(server) / 1000;
  const restart = isProvenBeside(rehearsal) ? 0 : drainSeconds + rehearsal.bootSeconds;
  const expected = rehearsal.migrateSeconds + restart + besideSeconds;
  const most = settings.get("HOLD_MAX") || longestHold;
  const told = `requests wait at the proxy for about ${expected.toFixed(0)} s, as rehearsed`;
  if (expected <= durationMs(most) / 1000) {
    tools.say.note(told);
    return;
  }
  const lines = [
    told,
    `HOLD_MAX is ${most}: the hold ends then, and new requests fail until the server is there`,
  ];
  await tools.say.confirm("Go on?", lines);
}
