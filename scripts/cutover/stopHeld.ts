import { serversOf } from "../parts/serversOf.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
import type { Door } from "./findDoor.ts";
import { hasAnswered } from "./hasAnswered.ts";
import { lastSpans } from "./lastSpans.ts";

/**
 * Stops a server that requests are held from when it has answered what it was asked and sent the
 * spans of that. It has its time to stop for the answers, and a moment more for the spans; a stream
 * that goes on is cut then, as by any stop.
 */
export async function stopHeld(
  { prepared: { stack } }: Target,
  door: Door,
  tools: Tools,
): Promise<void> {
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  await tools.say.step("the old server answers what it was asked, and stops", async () => {
    const until = tools.now() + server.graceSeconds * 1000;
    await hasAnswered(door, until, tools);
    await lastSpans(server, tools);
    const left = Math.max(1, Math.ceil((until - tools.now()) / 1000));
    for (const { id } of await serversOf(stack, tools.engine)) await tools.engine.stop(id, left);
  });
}
