import { judgeDatabase, type ExternalJudgement } from "../database/judgeDatabase.ts";
import type { Settings } from "../settings/readSettings.ts";
import { databaseOf } from "./databaseOf.ts";
import type { Tools } from "./tools.ts";

/** What the stack's database does not allow: nothing, where it is bundled. */
export type DatabaseLimits = Pick<ExternalJudgement, "limits" | "mayCopy">;

/**
 * Judges the external database that the settings name. Reads only.
 * @param image the Postgres image whose clients ask it
 * @throws Problem DATABASE_REFUSED naming all that makes it impossible to serve on it
 */
export async function judgeExternalDatabase(
  settings: Settings,
  image: string,
  tools: Pick<Tools, "engine" | "databaseLock">,
): Promise<DatabaseLimits> {
  const uri = settings.secrets.get("LETTA_PG_URI");
  if (uri === undefined) return { limits: [], mayCopy: true };
  const server = databaseOf(settings, { container: undefined, image }, tools);
  const place = `${settings.origin("LETTA_PG_URI")}: LETTA_PG_URI (${new URL(uri).host})`;
  return judgeDatabase(server, place);
}
