import { setTimeout as sleep } from "node:timers/promises";
import type { CommandResult } from "../docker/engine.ts";
import type { DatabaseServer } from "./sql.ts";

/** A client that has not connected yet when it is interrupted is ended after this. */
const againMs = 500;

/**
 * The same server, of which everything that is asked ends within seconds of an interruption. For work
 * that may take minutes; what cleans up after it is asked of the server itself.
 * @param signal without one it is the server itself
 */
export function interruptible(server: DatabaseServer, signal?: AbortSignal): DatabaseServer {
  if (signal === undefined) return server;
  return {
    ...server,
    client: (database, argv, io) => server.client(database, argv, { ...io, signal }),
    database(name) {
      const { ask, hold } = server.database(name);
      return { ask: (statement) => ask(statement, signal), hold };
    },
  };
}

/**
 * Runs a client of Postgres until it ends, or until it is interrupted: an engine's exec cannot be ended,
 * but the session of its client can, and with it the client.
 * @param endSession ends the client's session where it has one yet
 * @throws the signal's reason where that is why it failed, or came before it began
 */
export async function untilInterrupted(
  signal: AbortSignal,
  client: () => Promise<CommandResult>,
  endSession: () => Promise<unknown>,
): Promise<CommandResult> {
  signal.throwIfAborted();
  let hasEnded = false;
  const interrupt = async () => {
    while (!hasEnded) {
      await endSession().catch(() => undefined); // the next one may come through
      await sleep(againMs);
    }
  };
  const onAbort = () => void interrupt();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await client();
    if (result.code !== 0) signal.throwIfAborted();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    hasEnded = true;
    signal.removeEventListener("abort", onAbort);
  }
}
