import { setTimeout as sleep } from "node:timers/promises";
import { alterDatabases } from "./alterDatabases.ts";
import { endSessions, type Session } from "./sessions.ts";
import type { DatabaseServer } from "./sql.ts";

/** Postgres waits five seconds for sessions to end (PostgreSQL 17, CountOtherDBBackends). */
const rounds = 40;
const pauseMs = 250;

/**
 * Copies or renames databases that others are connected to: their sessions are ended while the
 * statement runs. It is its own fence: from its beginning on, new connections wait for its lock
 * (CREATE DATABASE and RENAME lock the database, InitPostgres waits for that), so that a client
 * which connects again at once cannot keep it away. Nothing has to be undone after a kill.
 * @param involved all databases that the statement is about
 * @param alone those of them that no session may be on
 * @returns the sessions that were ended
 * @throws Problem DATABASE_REFUSED naming the sessions that our role may not end
 */
export async function alterAlone(
  server: DatabaseServer,
  { involved, alone }: { readonly involved: readonly string[]; readonly alone: readonly string[] },
  statement: string,
  failure: string,
): Promise<readonly Session[]> {
  const done = new AbortController();
  const ended: Session[] = [];
  const ending = async () => {
    for (let round = 0; round < rounds && !done.signal.aborted; round += 1) {
      ended.push(...(await endSessions(server, alone)));
      await sleep(pauseMs, undefined, { signal: done.signal });
    }
  };
  const altering = alterDatabases(server, involved, statement, failure).finally(() => done.abort());
  // Where sessions could not be ended, the statement itself says what is in the way.
  const [altered] = await Promise.allSettled([altering, ending()]);
  if (altered.status === "rejected") throw altered.reason;
  return ended;
}
