import type { DatabaseServer } from "../database/sql.ts";
import type { Engine } from "../docker/engine.ts";
import type { Reporter } from "../common/reporter.ts";

/** Everything a rollout touches the world with. */
export interface Context {
  readonly engine: Engine;
  /**
   * Has the lock of a database outside before anything is asked of it; undefined for commands that
   * only read. Rejects with LOCKED, or LOCK_LOST where it was had.
   */
  readonly databaseLock?: (server: DatabaseServer) => Promise<void>;
  readonly reporter: Reporter;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly randomBytes: (count: number) => Buffer;
  /** Aborted by Ctrl-C: asked at every point where stopping leaves nothing half done. */
  readonly signal: AbortSignal;
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
}
