import { setTimeout as sleep } from "node:timers/promises";
import { isOwn, type Session, sessions } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";
import { databaseServing, serverAddresses } from "./databaseOf.ts";
import type { ProxyControl } from "./proxyControl.ts";
import type { Target } from "./target.ts";

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
    "drain old server",
    async () =>
      (await waitForInFlight(proxyControl, context.now() + answeringMs(target), context)) &&
      (await hasNoSessions(database, database.name, context, (one) => isOwn(one, own))),
    (isAlone) => (isAlone ? "it stays up through the migration" : "it stops for the migration"),
  );
}

function answeringMs({ prepared: { stack } }: Target): number {
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  return Math.min(server.graceSeconds * 1000, mostMs);
}

/** For work that goes on after a request was answered. */
const closingMs = 2000;
const pollMs = 250;

/**
 * Whether nothing works on a database any more, whose server is asked for nothing: one that goes on
 * has to stop before that database can be copied or migrated. Idle connections of a pool hold no
 * locks; where a statement wants the database for itself it ends them, and the pool replaces them
 * unnoticed (`pool_pre_ping`, letta/settings.py).
 * @param counts which sessions are that server's: all of them, unless specified otherwise
 * @throws Problem DATABASE_REFUSED
 */
export async function hasNoSessions(
  server: DatabaseServer,
  name: string,
  { now, signal }: Pick<Context, "now" | "signal">,
  counts: (session: Session) => boolean = () => true,
): Promise<boolean> {
  const until = now() + closingMs;
  for (;;) {
    if (!(await sessions(server, [name])).some((one) => one.state !== "idle" && counts(one)))
      return true;
    if (now() >= until) return false;
    await sleep(pollMs, undefined, { signal });
  }
}

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
