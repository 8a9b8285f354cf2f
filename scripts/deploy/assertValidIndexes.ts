import { Problem } from "../common/problem.ts";
import { invalidIndexes } from "../database/invalidIndexes.ts";
import type { Database } from "../database/sql.ts";

/**
 * CREATE INDEX CONCURRENTLY that was interrupted leaves an index that a second run takes for done
 * and that Postgres never uses.
 * @throws Problem STEP_FAILED naming them
 */
export async function assertValidIndexes(database: Database): Promise<void> {
  const invalid = await invalidIndexes(database);
  if (invalid.length === 0) return;
  throw new Problem("STEP_FAILED", "the migration left indexes that are not valid", {
    details: invalid,
  });
}
