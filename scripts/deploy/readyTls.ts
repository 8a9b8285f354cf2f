import { Problem } from "../common/problem.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { limitConnections } from "../database/takeOverRoles.ts";
import { isMap } from "../stack/mergeSources.ts";
import type { Stack } from "../stack/renderStack.ts";

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
