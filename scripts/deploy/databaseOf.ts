import {
  bundledServer,
  externalServer,
  guardedServer,
  type DatabaseServer,
} from "../database/sql.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";

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
  { engine, databaseLock }: Pick<Context, "engine" | "databaseLock">,
): DatabaseServer {
  const uri = settings.secrets.get("LETTA_PG_URI");
  if (uri !== undefined) {
    const server = externalServer(engine, { uri, image, network });
    return databaseLock ? guardedServer(server, () => databaseLock(server)) : server;
  }
  return bundledServer(engine, {
    container: container ?? "",
    user: settings.get("LETTA_PG_USER"),
    password: settings.secrets.get("LETTA_PG_PASSWORD") ?? "",
    name: settings.get("LETTA_PG_DB"),
  });
}
