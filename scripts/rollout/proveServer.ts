import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { request } from "../verification/request.ts";
import { smoke } from "../verification/smoke.ts";
import type { Tools } from "./tools.ts";

/**
 * Proves a server before anybody is let in: its version, and that it writes, reads and deletes
 * in the database. Asked inside its container, past the proxy.
 * @returns how many requests it answered
 * @throws Error with the first answer that was not as it should be
 */
export async function proveServer(
  container: string,
  settings: Settings,
  { server }: Pick<Stack, "server">,
  tools: Pick<Tools, "engine">,
): Promise<number> {
  const port = Number(settings.get("PORT"));
  const reply = await request(`http://127.0.0.1:${port}${server.versionPath}`, {
    connection: await tools.engine.connect(container, port),
    headers: { connection: "close" },
  });
  const expected = settings.get("LETTA_VERSION");
  const version = (JSON.parse(reply.body) as Record<string, unknown>)[server.versionField];
  if (version !== expected) throw new Error(`expected ${expected}, got ${String(version)}`);
  const isSecure = settings.get("SECURE") === "true";
  const password = isSecure ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined;
  return smoke({ container, port, server, password }, tools.engine);
}
