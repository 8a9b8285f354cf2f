import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { failureKind, type FailureKind } from "../verification/failureKind.ts";
import { proveServer } from "./proveServer.ts";

const pauseMs = 1000;

/**
 * As `proveServer`, where a server failed already before anything was touched: the next one is asked
 * again up to SERVER_WAIT_SECONDS, as slow is not broken.
 * @param before how the server failed
 * @param isExcused whether what still fails as before is told instead of counted
 * @throws Problem STEP_FAILED
 */
export async function proveUnderLoad(
  container: string,
  settings: Settings,
  stack: Pick<Stack, "server" | "environment">,
  tools: Tools,
  {
    before = [],
    isExcused,
  }: { readonly before: readonly FailureKind[] | undefined; readonly isExcused: boolean },
): Promise<void> {
  const until = tools.now() + Number(settings.get("SERVER_WAIT_SECONDS")) * 1000;
  for (;;) {
    try {
      await proveServer(container, settings, stack, tools);
      return;
    } catch (error) {
      const [words = ""] = error instanceof Problem ? error.details : [];
      const kind = failureKind(words);
      if (kind === undefined || !before.includes(kind)) throw error;
      if (tools.now() >= until) {
        if (!isExcused) throw error;
        tools.say.note(`failed before too, the release goes on: smoke test: ${words}`);
        return;
      }
    }
    await sleep(pauseMs, undefined, { signal: tools.signal });
  }
}
