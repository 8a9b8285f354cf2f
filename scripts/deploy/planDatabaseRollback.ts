import { sameRevisions } from "../database/sameRevisions.ts";
import type { DatabaseStrategy } from "../state/release.ts";

export interface DatabaseBackFacts {
  /** What the failed release was to do to the database. */
  readonly databaseStrategy: DatabaseStrategy;
  /** Where its migration leads. */
  readonly failedHeads: readonly string[];
  /** What the database is at now. */
  readonly at: readonly string[];
  /** What the previous server's image leads to. */
  readonly heads: readonly string[];
  /** What the database was at while the previous server served: its heads, or what it was rehearsed on. */
  readonly served: readonly string[];
  /** Whether the database of before, which would be swapped in, exists under another name. */
  readonly hasPrevious: boolean;
  /** Whether the migration may have begun. */
  readonly mayHaveBegun: boolean;
  /** Whether requests may have reached the migrated database, or a server during its migration. */
  readonly hasTakenWrites: boolean;
  /** Whether the previous server passed the rehearsal on a database of the present revision. */
  readonly isKeepRehearsed: boolean;
  /** Whether the schema is still the one of before the migration. */
  readonly isSchemaUntouched: boolean;
}

/**
 * swap: the previous database becomes live. keep: the previous server serves on the newer schema. stay: the
 * database is as the previous server knows it. forward: none of these is possible without losing
 * acknowledged writes; the migration has to be completed, or a person has to choose.
 */
export type DatabaseBack = "swap" | "keep" | "stay" | "forward";

/** Decides what becomes of the database in a rollback of a failed release: pure. */
export function planDatabaseRollback(facts: DatabaseBackFacts): DatabaseBack {
  const { databaseStrategy, at, heads, hasPrevious, hasTakenWrites, isKeepRehearsed } = facts;
  const isBefore = sameRevisions(at, heads) || sameRevisions(at, facts.served);
  if (databaseStrategy !== "migrate") {
    if (hasPrevious) return "swap";
    return !isBefore && isKeepRehearsed ? "keep" : "stay";
  }
  // What no request has reached lacks nothing as it was before.
  if (hasPrevious && !hasTakenWrites) return "swap";
  const isComplete = sameRevisions(at, facts.failedHeads);
  if (isComplete && !isBefore && isKeepRehearsed) return "keep";
  if (!facts.mayHaveBegun || (isBefore && facts.isSchemaUntouched)) return "stay";
  return "forward";
}
