import { durationMs } from "../common/durationMs.ts";
import type { EndSignal, ObservedContainer } from "../docker/engine.ts";
import { isCollector } from "../stack/isCollector.ts";
import type { Context } from "../state/context.ts";
import { assertWorksUnderLoad } from "./assertWorksUnderLoad.ts";
import { composeCall } from "./composeCall.ts";
import type { ProxyControl } from "./proxyControl.ts";
import { serversOf } from "./serversOf.ts";
import type { ServiceUpdate } from "./updateServices.ts";
import { waitFor } from "./waitFor.ts";

/**
 * Starts the new server next to the old one, sends it requests when it is verified, and
 * takes the old one away when it has answered what it was asked. Where the new one fails, the
 * old one has served all the time; both stay for the rollback (`removeExtraReplica`).
 * @throws Problem STEP_FAILED
 */
export async function replaceServer(
  execution: ServiceUpdate,
  proxyControl: ProxyControl,
  context: Context,
): Promise<void> {
  const { settings, stack, failedBefore } = execution;
  const { service: name } = stack.server;
  const service = stack.services.find((one) => one.name === name)!;
  const before = await serversOf(stack, context.engine);
  const id = await context.reporter.step(
    "start new server",
    async () => {
      await context.engine.scaleUp(composeCall(execution), name);
      const now = await serversOf(stack, context.engine);
      const made = await context.engine.inspect(now.at(-1)!.id);
      await context.engine.start(made.id);
      const limit = durationMs(settings.get("SERVER_TIMEOUT")) / 1000;
      await waitFor(service, made, limit, context, context.signal, failedBefore !== undefined);
      // Both are under the same load.
      await assertWorksUnderLoad(made.id, settings, stack, context, {
        before: failedBefore,
        isExcused: true,
      });
      return made.id;
    },
    undefined,
    { service: name, image: service.image },
  );
  context.signal.throwIfAborted();
  await context.reporter.step("requests go to the new server", () => proxyControl.sendTo(id));
  await context.reporter.step("the old server answers what it was asked, and stops", async () => {
    const signal = stopSignal(await context.engine.containers(stack.project));
    for (const old of before) {
      await context.engine.stop(old.id, service.graceSeconds, signal);
      await context.engine.remove(old.id);
    }
    await proxyControl.open();
  });
}

/**
 * The signal that stops a server without requests. Pure. By SIGINT it ends as a program does that has
 * done its work, and sends the spans it has gathered, in some three seconds more; by SIGTERM
 * uvicorn ends itself, and they are lost with it. Where no collector takes them it would try
 * until it is killed (Letta 0.15.1 and 0.16.8, measured).
 * @param observed the stack's containers
 */
export function stopSignal(
  observed: readonly Pick<ObservedContainer, "service" | "state" | "health">[],
): EndSignal {
  const collectors = observed.filter((one) => isCollector(one.service));
  const takes = collectors.every((one) => one.state === "running" && one.health === "healthy");
  return takes && collectors.length > 0 ? "SIGINT" : "SIGTERM";
}
