import { isOwn } from "../database/otherSessions.ts";
import type { Context } from "../state/context.ts";
import type { Target } from "./target.ts";
import { databaseServing } from "./databaseServing.ts";
import type { ProxyControl } from "./proxyControl.ts";
import { waitForInFlight } from "./waitForInFlight.ts";
import { hasNoSessions } from "./hasNoSessions.ts";
import { serverAddresses } from "./serverAddresses.ts";

/**
 * Requests are held meanwhile, and for the new server's boot besides where this is not enough: so
 * streams may take as long as they would get when the server is stopped, but not much of PAUSE_TIMEOUT.
 */
const mostMs = 20_000;

/**
 * Whether a held server has answered all it was asked, and is not connected to its database
 * any more: then that can be copied under it, and the copy lacks nothing that is written before
 * it is asked again. Sessions of others are ended by the copy.
 */
export async function isQuiesced(
  target: Target,
  proxyControl: ProxyControl,
  context: Context,
): Promise<boolean> {
  const database = await databaseServing(target, context);
  const { stack } = target.prepared;
  const own = serverAddresses(stack, await context.engine.containers(stack.project));
  return context.reporter.step(
    "the old server answers what it was asked",
    async () =>
      (await waitForInFlight(proxyControl, context.now() + answeringMs(target), context)) &&
      (await hasNoSessions(database, database.name, context, (one) => isOwn(one, own))),
    (isAlone) => (isAlone ? "and goes on after the migration" : "is stopped for the migration"),
  );
}

function answeringMs({ prepared: { stack } }: Target): number {
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  return Math.min(server.graceSeconds * 1000, mostMs);
}
