import { setTimeout as sleep } from "node:timers/promises";
import { request } from "../checks/request.ts";
import { smoke } from "../checks/smoke.ts";
import { failureKind, type FailureKind } from "../common/failureKind.ts";
import { Problem } from "../common/problem.ts";
import { durationMs } from "../common/units.ts";
import { invalidIndexes } from "../database/dump.ts";
import type { Database } from "../database/sql.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";

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
    throw new Problem(
      "STEP_FAILED",
      "the server passed its health check but failed the smoke test",
      {
        details: [(error as Error).message],
        next: `npm run logs -- ${environment} ${server.service}`,
        cause: error,
      },
    );
  }
}

const pauseMs = 1000;

/**
 * As `assertServerWorks`, where a server failed already before anything was touched: the next one is asked
 * again up to SERVER_TIMEOUT, as slow is not broken.
 * @param before how the server failed
 * @param isExcused whether what still fails as before is reported instead of counted
 * @throws Problem STEP_FAILED
 */
export async function assertWorksUnderLoad(
  container: string,
  settings: Settings,
  stack: Pick<Stack, "server" | "environment">,
  context: Context,
  {
    before = [],
    isExcused,
  }: { readonly before: readonly FailureKind[] | undefined; readonly isExcused: boolean },
): Promise<void> {
  const until = context.now() + durationMs(settings.get("SERVER_TIMEOUT"));
  for (;;) {
    try {
      await assertServerWorks(container, settings, stack, context);
      return;
    } catch (error) {
      const [words = ""] = error instanceof Problem ? error.details : [];
      const kind = failureKind(words);
      if (kind === undefined || !before.includes(kind)) throw error;
      if (context.now() >= until) {
        if (!isExcused) throw error;
        context.reporter.note(`failed before this run too, continuing: smoke test: ${words}`);
        return;
      }
    }
    await sleep(pauseMs, undefined, { signal: context.signal });
  }
}

/**
 * CREATE INDEX CONCURRENTLY that was interrupted leaves an index that a second run takes for done
 * and that Postgres never uses.
 * @throws Problem STEP_FAILED naming them
 */
export async function assertValidIndexes(database: Database): Promise<void> {
  const invalid = await invalidIndexes(database);
  if (invalid.length === 0) return;
  throw new Problem("STEP_FAILED", "the migration left indexes that are not valid", {
    details: invalid,
  });
}
