import { countTables } from "../database/countTables.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { revision } from "../database/revision.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import type { Release } from "../ledger/release.ts";
import { newestGood } from "../ledger/releases.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { databaseOf } from "./databaseOf.ts";
import { refuseForeign } from "./preflight.ts";
import type { Tools } from "./tools.ts";

/** What is, before anything is decided: read from the engine, the ledger and the database. */
export interface Situation {
  readonly observed: readonly ObservedContainer[];
  /** The last good release; undefined where there was none. */
  readonly present: Release | undefined;
  /** The server the database is on; undefined while none runs. */
  readonly database: DatabaseServer | undefined;
  /** What the database says it is at; undefined while it does not run. */
  readonly revision: readonly string[] | undefined;
  /** How many rows it holds without saying any revision; 0 wherever it says one. */
  readonly unmarkedRows: number;
}

/**
 * Looks at everything a decision is made from. Reads only.
 * @param image to ask a database outside with
 * @throws Problem FOREIGN_CONTAINERS, DATABASE_REFUSED
 */
export async function situation(
  settings: Settings,
  directory: string,
  server: Stack["server"],
  image: string,
  tools: Tools,
): Promise<Situation> {
  const observed = await tools.engine.containers(settings.project);
  refuseForeign(settings.project, observed);
  const container = observed.find((one) => one.service === "postgres");
  const isOutside = settings.has("LETTA_PG_URI");
  const runs = isOutside || (container?.state === "running" && container.health !== "starting");
  const database = runs
    ? databaseOf(settings, { container: container?.id, image }, tools.engine)
    : undefined;
  const at = database && (await revision(database.database(), server.revisionQuery));
  const rows = at?.length === 0 ? await countTables(database!.database()) : {};
  return {
    observed,
    present: newestGood(directory),
    database,
    revision: at,
    unmarkedRows: Object.values(rows).reduce((sum, one) => sum + one, 0),
  };
}
