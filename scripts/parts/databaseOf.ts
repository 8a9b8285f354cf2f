import { bundledServer, externalServer, type DatabaseServer } from "../database/sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { Settings } from "../settings/readSettings.ts";

export interface Whereabouts {
  /** The bundled database's container; undefined where there is none (yet). */
  readonly container: string | undefined;
  /** The image to ask a database outside with. */
  readonly image: string;
  /** The network to ask it from; Docker's own where it is left out. */
  readonly network?: string;
}

/** The server the stack's database is on, bundled or outside: both answer alike. */
export function databaseOf(
  settings: Settings,
  { container, image, network = "bridge" }: Whereabouts,
  engine: Engine,
): DatabaseServer {
  const uri = settings.secrets.get("LETTA_PG_URI");
  if (uri !== undefined) return externalServer(engine, { uri, image, network });
  return bundledServer(engine, {
    container: container ?? "",
    user: settings.get("LETTA_PG_USER"),
    password: settings.secrets.get("LETTA_PG_PASSWORD") ?? "",
    name: settings.get("LETTA_PG_DB"),
  });
}
