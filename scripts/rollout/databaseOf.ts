import { bundledDatabase, externalDatabase, type Database } from "../database/sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { Settings } from "../settings/readSettings.ts";

export interface Whereabouts {
  /** The bundled database's container; undefined where there is none (yet). */
  readonly container: string | undefined;
  /** The image to ask a database outside with. */
  readonly image: string;
}

/** The stack's database, bundled or outside: both answer alike. */
export function databaseOf(settings: Settings, where: Whereabouts, engine: Engine): Database {
  const uri = settings.secrets.get("LETTA_PG_URI");
  if (uri !== undefined) return externalDatabase(engine, where.image, uri);
  const user = settings.get("LETTA_PG_USER");
  return bundledDatabase(engine, where.container ?? "", user, settings.get("LETTA_PG_DB"));
}
