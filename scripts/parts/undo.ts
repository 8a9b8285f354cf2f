import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Change } from "./planChanges.ts";
import { stopAll } from "./stopAll.ts";
import type { Tools } from "./tools.ts";

/**
 * After Ctrl-C: takes away what this run made and did not prove, last one first. Volumes stay.
 * @returns the Problem to end with: where things stand and how to go on
 */
export async function undo(
  settings: Settings,
  stack: Stack,
  changes: readonly Change[],
  tools: Tools,
): Promise<Problem> {
  const made = changes.filter((one) => one.action === "create" || one.action === "recreate");
  const services = made.map((one) => one.service);
  await stopAll(stack, services, tools, "interrupted, stop what was begun");
  for (const container of await tools.engine.containers(stack.project)) {
    if (services.includes(container.service)) await tools.engine.remove(container.id);
  }
  const left = (await tools.engine.containers(stack.project)).filter(
    (one) => one.state === "running",
  );
  if (left.length === 0) await tools.engine.down(stack.project, false);
  const standing =
    left.length === 0 ? "nothing runs" : `${left.map((one) => one.service).join(", ")} still runs`;
  return new Problem("INTERRUPTED", `interrupted: ${standing}, all volumes are kept`, {
    next: `npm run up:${settings.environment}`,
  });
}
