import { setTimeout as sleep } from "node:timers/promises";
import { maintenance } from "./maintenance.ts";
import { quoteText } from "./quote.ts";
import { sessions } from "./sessions.ts";
import { ownSession, processOf, type DatabaseServer } from "./sql.ts";

/** A client that has not connected yet when it is interrupted is ended after this. */
const againMs = 500;

/**
 * Does what may take minutes on a database, and ends it at once when it is interrupted: an engine's exec
 * cannot be ended, but the session of its client can, and with it the client.
 * @throws the signal's reason where that is why it failed
 */
export async function interruptible<Result>(
  server: DatabaseServer,
  database: string,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const ended = new AbortController();
  const end = async () => {
    while (!ended.signal.aborted) {
      await (
        await maintenance(server, [database])
      ).ask(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = ${quoteText(ownSession)} AND datname = ${quoteText(database)}`,
      );
      await sleep(againMs);
    }
  };
  const interrupt = () => void end().catch(() => undefined);
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    ended.abort();
    signal.removeEventListener("abort", interrupt);
  }
}

/**
 * Ends the sessions that killed runs of this host have left on the live database: a dump goes on in the
 * container without its client, and is in the way of copies and migrations.
 * @returns how many
 */
export async function endLeftovers(server: DatabaseServer): Promise<number> {
  const all = await sessions(server, [server.name]);
  const left = all.filter(({ application }) => {
    const pid = processOf(application);
    return pid !== undefined && !isAlive(pid);
  });
  if (left.length === 0) return 0;
  const pids = left.map((one) => one.pid).join(", ");
  await (
    await maintenance(server, [server.name])
  ).ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (${pids})
      AND application_name LIKE 'letta-stack %'`,
  );
  return left.length;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
