import { setTimeout as sleep } from "node:timers/promises";
import { sessions } from "../database/sessions.ts";
import { databaseServing } from "./databaseServing.ts";
import type { Door } from "./findDoor.ts";
import type { Target } from "./target.ts";
import type { Tools } from "./tools.ts";

const pollMs = 250;
/** Requests are held meanwhile: who needs longer has all its time when the server is stopped. */
const answeringMs = 10_000;
/** For a server that closes each connection when it has done its work, as Letta does. */
const closingMs = 2000;

/**
 * Whether a held server has answered all it was asked, and nobody is connected to its database
 * any more: then that can be copied under it, and the copy lacks nothing that is written before
 * it is asked again. A server that keeps its connections has to stop for that.
 */
export async function isLeftAlone(target: Target, door: Door, tools: Tools): Promise<boolean> {
  const database = await databaseServing(target, tools);
  const untilNone = async (limitMs: number, count: () => Promise<number | undefined>) => {
    const until = tools.now() + limitMs;
    for (;;) {
      const left = await count();
      if (left === 0 || left === undefined || tools.now() >= until) return left;
      await sleep(pollMs, undefined, { signal: tools.signal });
    }
  };
  return tools.say.step(
    "the old server answers what it was asked",
    async () => {
      if ((await untilNone(answeringMs, () => door.underWay())) !== 0) return false;
      const connected = async () => (await sessions(database, [database.name])).length;
      return (await untilNone(closingMs, connected)) === 0;
    },
    (isAlone) => (isAlone ? "and goes on after the migration" : "is stopped for the migration"),
  );
}
