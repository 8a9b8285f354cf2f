import { databaseName } from "../database/databaseName.ts";
import { databases } from "../database/databases.ts";
import { isScratch, nameTaken } from "../database/dropScratch.ts";
import type { Mark } from "../database/marks.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { RunMarks } from "./runMarks.ts";

/** What a run that changes the database may have to make or set aside, an automatic rollback included. */
export function namesNeeded(marks: RunMarks): Mark[] {
  const own = (["rehearsal", "verification", "incoming", "snapshot", "retained"] as const).map(
    marks,
  );
  const { release } = marks("retained");
  const next = String(Number(release) + 1).padStart(6, "0");
  return [...own, { ...marks("retained"), release: next }];
}

/**
 * Refuses databases that have the names a run needs, while nothing is touched: those that this
 * installation did not make for a run.
 * @throws Problem STATE_UNUSABLE naming each; DATABASE_REFUSED
 */
export async function assertNamesFree(
  server: DatabaseServer,
  needed: readonly Mark[],
): Promise<void> {
  const found = await databases(server);
  const taken = needed.flatMap((mark) => {
    const name = databaseName(server.name, mark);
    const there = found.get(name);
    const isFree = there === undefined || isScratch(there.mark, mark.installation);
    return isFree ? [] : [[name, there.mark] as const];
  });
  if (taken.length > 0) throw nameTaken(taken);
}
