import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";

/** A migration goes on when the tool is killed: whatever it comes to, it is not disturbed. */
export async function migrationEnded(
  settings: Settings,
  stack: Stack,
  context: Context,
): Promise<void> {
  const containers = await context.engine.containers(settings.project);
  const job = containers.find((one) => one.service === stack.server.migrate);
  if (job?.state !== "running") return;
  await context.reporter.step("wait for the migration that is under way", async () => {
    while ((await context.engine.inspect(job.id)).state === "running") {
      await sleep(100, undefined, { signal: context.signal });
    }
  });
}
