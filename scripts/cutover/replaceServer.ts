import { composeCall } from "../parts/composeCall.ts";
import type { Execution } from "../parts/execute.ts";
import { serversOf } from "../parts/serversOf.ts";
import type { Tools } from "../parts/tools.ts";
import { waitFor } from "../parts/waitFor.ts";
import { endingSignal } from "./endingSignal.ts";
import type { Door } from "./findDoor.ts";
import { proveUnderLoad } from "./proveUnderLoad.ts";

/**
 * Puts the new server beside the old one, lets requests in when it has proven itself, and
 * takes the old one away when it has answered what it was asked. Where the new one fails, the
 * old one has served all the time; both stay for whoever goes back (`settleServers`).
 * @throws Problem STEP_FAILED
 */
export async function replaceServer(execution: Execution, door: Door, tools: Tools): Promise<void> {
  const { settings, stack, failedBefore } = execution;
  const { service: name } = stack.server;
  const service = stack.services.find((one) => one.name === name)!;
  const before = await serversOf(stack, tools.engine);
  const id = await tools.say.step(
    "new server beside the old one",
    async () => {
      await tools.engine.createBeside(composeCall(execution), name);
      const now = await serversOf(stack, tools.engine);
      const made = await tools.engine.inspect(now.at(-1)!.id);
      await tools.engine.start(made.id);
      const limit = Number(settings.get("SERVER_WAIT_SECONDS"));
      await waitFor(service, made, limit, tools, tools.signal, failedBefore !== undefined);
      // Both are under the same load.
      await proveUnderLoad(made.id, settings, stack, tools, {
        before: failedBefore,
        isExcused: true,
      });
      return made.id;
    },
    undefined,
    { service: name, image: service.image },
  );
  tools.signal.throwIfAborted();
  await tools.say.step("requests go to the new server", () => door.sendTo(id));
  await tools.say.step("the old server answers what it was asked, and stops", async () => {
    const signal = endingSignal(await tools.engine.containers(stack.project));
    for (const old of before) {
      await tools.engine.stop(old.id, service.graceSeconds, signal);
      await tools.engine.remove(old.id);
    }
    await door.open();
  });
}
