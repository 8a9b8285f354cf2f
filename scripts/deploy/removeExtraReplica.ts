import type { ObservedContainer } from "../docker/engine.ts";
import { serversOf } from "./serversOf.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { findProxyControl } from "./proxyControl.ts";

/**
 * Makes one server of two that a replacement left: the first that serves stays, and requests go to
 * it. The older one has been verified; the other has not, or not yet.
 * @param settings those the running proxy was made with, as to its project
 */
export async function removeExtraReplica(
  settings: Settings,
  stack: Pick<Stack, "project" | "server" | "services">,
  context: Context,
): Promise<void> {
  const servers = await serversOf(stack, context.engine);
  if (servers.length < 2) return;
  const stays =
    servers.find((one) => one.state === "running" && one.health === "healthy") ?? servers.at(-1)!;
  const grace = stack.services.find((one) => one.name === stack.server.service)?.graceSeconds;
  await context.reporter.step("one server of the two that are there", async () => {
    const proxyControl = await findProxyControl(settings, context);
    await proxyControl?.sendTo(stays.id);
    for (const other of servers.filter((one) => one !== stays)) {
      await context.engine.stop(other.id, grace ?? 30);
      await context.engine.remove(other.id);
    }
    await proxyControl?.open();
  });
}

/** The containers there are, with one server of two where a failed rollback has left two. */
export async function settledContainers(
  settings: Settings,
  stack: Pick<Stack, "project" | "server" | "services">,
  context: Context,
): Promise<readonly ObservedContainer[]> {
  const observed = await context.engine.containers(settings.project);
  const servers = observed.filter((one) => one.service === stack.server.service);
  if (servers.length < 2) return observed;
  await removeExtraReplica(settings, stack, context);
  return context.engine.containers(settings.project);
}
