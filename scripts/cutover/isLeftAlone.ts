import { isOwn } from "../database/otherSessions.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
import { databaseServing } from "./databaseServing.ts";
import type { Door } from "./findDoor.ts";
import { hasAnswered } from "./hasAnswered.ts";
import { nobodyConnected } from "./nobodyConnected.ts";
import { serverAddresses } from "./serverAddresses.ts";

/**
 * Requests are held meanwhile, and for the new server's boot besides where this is not enough: so
 * streams may take as long as they would get when the server is stopped, but not much of HOLD_MAX.
 */
const mostMs = 20_000;

/**
 * Whether a held server has answered all it was asked, and is not connected to its database
 * any more: then that can be copied under it, and the copy lacks nothing that is written before
 * it is asked again. Sessions of others are ended by the copy.
 */
export async function isLeftAlone(target: Target, door: Door, tools: Tools): Promise<boolean> {
  const database = await databaseServing(target, tools);
  const { stack } = target.prepared;
  const own = serverAddresses(stack, await tools.engine.containers(stack.project));
  return tools.say.step(
    "the old server answers what it was asked",
    async () =>
      (await hasAnswered(door, tools.now() + answeringMs(target), tools)) &&
      (await nobodyConnected(database, database.name, tools, (one) => isOwn(one, own))),
    (isAlone) => (isAlone ? "and goes on after the migration" : "is stopped for the migration"),
  );
}

function answeringMs({ prepared: { stack } }: Target): number {
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  return Math.min(server.graceSeconds * 1000, mostMs);
}
