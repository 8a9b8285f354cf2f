import type { ObservedContainer } from "../engine/engine.ts";
import { serversOf } from "../parts/serversOf.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { findDoor } from "./findDoor.ts";

/**
 * Makes one server of two that a cutover left: the first that serves stays, and requests go to
 * it. One that was there before has been proven; the other has not, or not yet.
 * @param settings those the running proxy was made with, as to its project
 */
export async function settleServers(
  settings: Settings,
  stack: Pick<Stack, "project" | "server" | "services">,
  tools: Tools,
): Promise<void> {
  const servers = await serversOf(stack, tools.engine);
  if (servers.length < 2) return;
  const stays =
    servers.find((one) => one.state === "running" && one.health === "healthy") ?? servers.at(-1)!;
  const grace = stack.services.find((one) => one.name === stack.server.service)?.graceSeconds;
  await tools.say.step("one server of the two that are there", async () => {
    const door = await findDoor(settings, tools);
    await door?.sendTo(stays.id);
    for (const other of servers.filter((one) => one !== stays)) {
      await tools.engine.stop(other.id, grace ?? 30);
      await tools.engine.remove(other.id);
    }
    await door?.open();
  });
}

/** The containers there are, with one server of two where a way back in vain has left them. */
export async function settledContainers(
  settings: Settings,
  stack: Pick<Stack, "project" | "server" | "services">,
  tools: Tools,
): Promise<readonly ObservedContainer[]> {
  const observed = await tools.engine.containers(settings.project);
  const servers = observed.filter((one) => one.service === stack.server.service);
  if (servers.length < 2) return observed;
  await settleServers(settings, stack, tools);
  return tools.engine.containers(settings.project);
}
