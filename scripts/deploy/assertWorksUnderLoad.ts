import { durationMs } from "../common/durationMs.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { failureKind, type FailureKind } from "../common/failureKind.ts";
import { assertServerWorks } from "./assertServerWorks.ts";

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
        context.reporter.note(`failed before too, the release goes on: smoke test: ${words}`);
        return;
      }
    }
    await sleep(pauseMs, undefined, { signal: context.signal });
  }
}
