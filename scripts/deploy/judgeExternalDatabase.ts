import { assertDatabase, type ExternalJudgement } from "../database/assertDatabase.ts";
import type { Settings } from "../settings/readSettings.ts";
import { databaseOf } from "./databaseOf.ts";
import type { Context } from "../state/context.ts";

/**
 * Judges the external database that the settings name; a bundled one lacks nothing. Reads only.
 * @param image the Postgres image whose clients ask it
 * @throws Problem DATABASE_REFUSED where no login comes about
 */
export async function judgeExternalDatabase(
  settings: Settings,
  image: string,
  context: Pick<Context, "engine" | "databaseLock">,
): Promise<ExternalJudgement> {
  const uri = settings.secrets.get("LETTA_PG_URI");
  if (uri === undefined) return { place: "", lacks: [], mayCopy: true, mayRestore: true };
  const server = databaseOf(settings, { container: undefined, image }, context);
  const place = `${settings.origin("LETTA_PG_URI")}: LETTA_PG_URI (${new URL(uri).host})`;
  return assertDatabase(server, place);
}
