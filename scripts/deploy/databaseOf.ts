import { Problem } from "../common/problem.ts";
import { assertDatabase, type ExternalJudgement } from "../database/assertDatabase.ts";
import {
  bundledServer,
  type DatabaseServer,
  externalServer,
  guardedServer,
} from "../database/sql.ts";
import { limitConnections } from "../database/takeOverRoles.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isMap } from "../stack/mergeSources.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Target } from "./target.ts";

interface Whereabouts {
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

/** The database's server as it runs now. */
export async function databaseServing(target: Target, context: Context): Promise<DatabaseServer> {
  const { settings, images } = target;
  const containers = await context.engine.containers(settings.project);
  const container = containers.find((one) => one.service === "postgres")?.id;
  const image = images.bySetting.get("POSTGRES_IMAGE")!;
  return databaseOf(settings, { container, image }, context);
}

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

/** The addresses from which a stack's servers and migrations connect to their database. Pure. */
export function serverAddresses(
  { server }: Pick<Stack, "server">,
  containers: readonly ObservedContainer[],
): string[] {
  return containers
    .filter((one) => one.service === server.service || one.service === server.migrate)
    .flatMap((one) => one.addresses ?? []);
}

/**
 * Gives a bundled database its certificate and turns TLS on, which takes no restart: for data that
 * was made before the stack did so, and for a certificate that is about to expire. The application's
 * connection limit follows the database's own.
 * @param stack its `database_tls` script, which the image runs on an empty volume; no such script,
 *   nothing to do
 * @throws Problem DATABASE_REFUSED with the script's own words
 */
export async function readyTls(stack: Stack, server: DatabaseServer): Promise<void> {
  const configs = stack.model["configs"];
  const config = isMap(configs) ? configs["database_tls"] : undefined;
  if (server.place === "external" || !isMap(config)) return;
  const script = String(config["content"]).replaceAll("$$", "$");
  const { application, kind } = await server.roles();
  const limit = kind === "separate" ? limitConnections(application) : "";
  const sql = "psql -X -q -v ON_ERROR_STOP=1";
  const { code, stderr } = await server.client(server.name, ["sh", "-ec", `${script}\n${sql}`], {
    stdin: limit,
  });
  if (code === 0) return;
  throw new Problem("DATABASE_REFUSED", "TLS could not be turned on in the database", {
    details: [stderr.trim()],
    next: `npm run logs -- ${stack.environment} postgres`,
  });
}
