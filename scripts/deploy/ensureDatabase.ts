import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { updateServices } from "./updateServices.ts";
import type { Context } from "../state/context.ts";

/**
 * Has the bundled database run where its data is already: it must be asked before anything
 * can be decided. One without data is left for the rollout itself.
 * @param file the release's compose.yaml that it is made from where its container has gone
 */
export async function ensureDatabase(
  settings: Settings,
  stack: Stack,
  file: string,
  postgres: string,
  context: Context,
): Promise<void> {
  const service = stack.services.find((one) => one.name === "postgres");
  if (service === undefined) return;
  const containers = await context.engine.containers(settings.project);
  const container = containers.find((one) => one.service === "postgres");
  if (container?.state === "running" && container.health === "healthy") return;
  const volumes = await context.engine.volumes(settings.project);
  if (!volumes.includes(`${settings.project}_database`)) return;
  const action = container === undefined ? "create" : "start";
  const changes = [
    { service: "postgres", action, causes: ["it holds what is to be asked"] },
  ] as const;
  await updateServices({ settings, stack, file, changes, postgres }, context);
}
