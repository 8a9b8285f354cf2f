import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Release } from "../docker/engine.ts";
import { askRows } from "./askRows.ts";
import { quoteText } from "./psqlClient.ts";
import { type Session, sessionColumns, sessionText } from "./sessions.ts";
import { applicationName, type Database, type DatabaseServer } from "./sql.ts";

/** A session that holds a lock for which a session of the migration waits. */
interface Blocker extends Session {
  /** The process of the migration that waits for it. */
  readonly waiting: number;
  /**
   * Autovacuum. Postgres ends it itself where it blocks, but for a vacuum to prevent wraparound, which begins
   * again later (PostgreSQL 17, proc.c, ProcSleep).
   */
  readonly isVacuum: boolean;
}

interface Unblocking {
  readonly server: DatabaseServer;
  /** The addresses of the migration's container. */
  readonly addresses: readonly string[];
  /** Whether sessions of others may be ended. */
  readonly mayEnd: boolean;
}

interface Surroundings {
  readonly now: () => number;
  readonly reporter: { note(text: string): void };
}

const pollMs = 500;
/** A statement that is under way may end by itself. */
const endAfterMs = 1000;
/** Requests wait meanwhile. */
const stopAfterMs = 10_000;

/**
 * Runs a migration, and ends sessions that keep it from a lock, where that was allowed. Where it was not, or
 * our role may not end them, the migration is ended instead of waiting until requests fail.
 * @throws Problem STEP_FAILED naming who blocked it; what the work throws
 */
export async function withoutBlockers<Result>(
  input: Unblocking,
  { now, reporter }: Surroundings,
  work: () => Promise<Result>,
): Promise<Result> {
  const done = new AbortController();
  let stoppedBy: readonly Blocker[] = [];
  const watch = async () => {
    let since: number | undefined;
    while (stoppedBy.length === 0) {
      await sleep(pollMs, undefined, { signal: done.signal });
      const found = await blockers(input).catch(() => []);
      if (done.signal.aborted) return;
      since = found.length === 0 ? undefined : (since ?? now());
      const waited = since === undefined ? 0 : now() - since;
      const endable = found.filter((one) => one.mayEnd && (input.mayEnd || one.isVacuum));
      if (waited >= endAfterMs && endable.length > 0) {
        await end(
          input.server,
          endable.map(({ pid }) => pid),
        ).catch(() => undefined);
        reporter.note(`ended sessions that blocked the migration: ${textsOf(endable).join("; ")}`);
      } else if (waited >= stopAfterMs) {
        stoppedBy = found;
        await end(
          input.server,
          found.map(({ waiting }) => waiting),
        ).catch(() => undefined);
      }
    }
  };
  const watching = watch().catch(() => undefined); // it ends with the work
  try {
    return await work();
  } catch (error) {
    if (stoppedBy.length === 0) throw error;
    throw blocked(stoppedBy, input, error);
  } finally {
    done.abort();
    await watching;
  }
}

function blocked(by: readonly Blocker[], { mayEnd }: Unblocking, cause: unknown): Problem {
  const seconds = stopAfterMs / 1000;
  const isAllowed = mayEnd || by.some((one) => !one.mayEnd);
  return new Problem(
    "STEP_FAILED",
    `the migration waited ${seconds} s for a lock that another session holds, and was stopped`,
    {
      details: textsOf(by).map((line) => `blocked by ${line}`),
      next: isAllowed
        ? "the same command again, once that session has ended"
        : "the same command again with --end-sessions, or once that session has ended",
      cause,
    },
  );
}

function textsOf(found: readonly Blocker[]): string[] {
  return [...new Set(found.map(sessionText))];
}

async function blockers({ server, addresses }: Unblocking): Promise<Blocker[]> {
  const own = addresses.map(quoteText).join(", ");
  // Behind one address a session of the live server has the same one: it was there before, or names itself.
  const isOfMigration = `coalesce(w.client_addr = inet_client_addr() AND w.usesysid = me.oid
    AND w.backend_start > ${migrationSince}
    AND NOT starts_with(w.application_name, ${quoteText(applicationName)}), false)
    ${own === "" ? "" : `OR host(w.client_addr) IN (${own})`}`;
  return askRows<Blocker>(
    server.database(),
    `SELECT ${sessionColumns(server)}, w.pid AS waiting,
      coalesce(a.backend_type = 'autovacuum worker', false) AS "isVacuum"
    FROM pg_stat_activity w
    CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(w.pid)) AS pid) blocking
    JOIN pg_stat_activity a ON a.pid = blocking.pid
    LEFT JOIN pg_roles its ON its.oid = a.usesysid
    JOIN pg_roles me ON me.rolname = current_user
    WHERE w.datname = current_database() AND w.wait_event_type = 'Lock' AND (${isOfMigration})
      AND (a.usesysid IS DISTINCT FROM w.usesysid OR a.client_addr IS DISTINCT FROM w.client_addr
        OR a.application_name <> w.application_name)
    ORDER BY a.pid`,
    "who blocks the migration",
  );
}

async function end(server: DatabaseServer, pids: readonly number[]): Promise<void> {
  await server
    .database()
    .ask(`SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[${pids.join(", ")}]) pid`);
}

/** "letta" as a number: any two tools that migrate this server must use the same. */
const key = 0x6c65747461;

/**
 * As SQL, since when the session has existed that holds the lock for the migration that is under way in
 * this database; null without one. An advisory lock's key is split in two (PostgreSQL 17, pg_locks).
 */
const migrationSince = `(SELECT max(holder.backend_start)
  FROM pg_locks held JOIN pg_stat_activity holder ON holder.pid = held.pid
  WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (held.classid::int8 << 32) | held.objid::int8 = ${key})`;

/**
 * Runs work while a session of ours holds the advisory lock that keeps a second migration
 * out. Session-level and outside a transaction, so that CREATE INDEX CONCURRENTLY does not
 * wait for it; it goes with the session, also when this process is killed.
 * @throws Problem DATABASE_REFUSED where another session holds it for longer than a minute
 */
export async function withMigrationLock<Result>(
  database: Database,
  work: () => Promise<Result>,
): Promise<Result> {
  let release: Release;
  try {
    release = await database.hold(`SET lock_timeout = '60s'; SELECT pg_advisory_lock(${key})`);
  } catch (error) {
    throw new Problem("DATABASE_REFUSED", "another migration of this database is under way", {
      details: [(error as Error).message],
      cause: error,
    });
  }
  try {
    return await work();
  } finally {
    // A session's end would do, but for a pooler that goes on with it.
    await release(`SELECT pg_advisory_unlock(${key});\n`);
  }
}
