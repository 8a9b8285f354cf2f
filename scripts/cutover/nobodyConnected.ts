import { setTimeout as sleep } from "node:timers/promises";
import { sessions, type Session } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Tools } from "../parts/tools.ts";

/** For a server that closes each connection when it has done its work, as Letta does. */
const closingMs = 2000;
const pollMs = 250;

/**
 * Whether nobody is connected to a database any more, whose server is asked for nothing: one that
 * keeps its connections has to stop before that database can be copied or migrated.
 * @param counts which sessions are that server's: all of them, unless told otherwise
 * @throws Problem DATABASE_REFUSED
 */
export async function nobodyConnected(
  server: DatabaseServer,
  name: string,
  { now, signal }: Pick<Tools, "now" | "signal">,
  counts: (session: Session) => boolean = () => true,
): Promise<boolean> {
  const until = now() + closingMs;
  for (;;) {
    if (!(await sessions(server, [name])).some(counts)) return true;
    if (now() >= until) return false;
    await sleep(pollMs, undefined, { signal });
  }
}
