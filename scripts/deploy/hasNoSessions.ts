import { setTimeout as sleep } from "node:timers/promises";
import { sessions, type Session } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";

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
