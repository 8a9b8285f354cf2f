import { Problem } from "../common/problem.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { request } from "../checks/request.ts";
import { smoke } from "../checks/smoke.ts";

/**
 * Verifies a server before it gets requests: its version, and that it writes, reads and deletes
 * in the database. Asked inside its container, past the proxy.
 * @param expected its version
 * @returns how many requests it answered
 * @throws Problem STEP_FAILED with the first answer that was not as it should be
 */
export async function assertServerWorks(
  container: string,
  settings: Settings,
  { server, environment }: Pick<Stack, "server" | "environment">,
  context: Pick<Context, "engine">,
  expected = settings.get("LETTA_VERSION"),
): Promise<number> {
  const { port } = server;
  const isSecure = settings.get("SECURE") === "true";
  const password = isSecure ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined;
  try {
    const { status, body } = await request(`http://127.0.0.1:${port}${server.versionPath}`, {
      connection: await context.engine.connect(container, port),
      headers: { connection: "close" },
    });
    if (status !== 200) throw new Error(`${server.versionPath}: expected 200, got ${status}`);
    const version = (JSON.parse(body) as Record<string, unknown>)[server.versionField];
    if (version !== expected) throw new Error(`expected ${expected}, got ${String(version)}`);
    return await smoke({ container, server, password }, context.engine);
  } catch (error) {
    throw new Problem("STEP_FAILED", "the server is healthy and does not work", {
      details: [(error as Error).message],
      next: `npm run logs -- ${environment} ${server.service}`,
      cause: error,
    });
  }
}
