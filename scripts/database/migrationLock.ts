import { Problem } from "../common/problem.ts";
import type { Release } from "../docker/engine.ts";
import type { Database } from "./sql.ts";

/** "letta" as a number: any two tools that migrate this server must use the same. */
const key = 0x6c65747461;

/**
 * As SQL, since when the session has existed that holds the lock for the migration that is under way in
 * this database; null without one. An advisory lock's key is split in two (PostgreSQL 17, pg_locks).
 */
export const migrationSince = `(SELECT max(holder.backend_start)
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
