import type { EndSignal, ObservedContainer } from "../engine/engine.ts";
import { isCollector } from "../stack/isCollector.ts";

/**
 * What ends a server that nobody waits for. Pure. By SIGINT it ends as a program does that has
 * done its work, and sends the spans it has gathered, in some three seconds more; by SIGTERM
 * uvicorn ends itself, and they are lost with it. Where no collector takes them it would try
 * until it is killed (Letta 0.15.1 and 0.16.8, measured).
 * @param observed the stack's containers
 */
export function endingSignal(
  observed: readonly Pick<ObservedContainer, "service" | "state" | "health">[],
): EndSignal {
  const collectors = observed.filter((one) => isCollector(one.service));
  const takes = collectors.every((one) => one.state === "running" && one.health === "healthy");
  return takes && collectors.length > 0 ? "SIGINT" : "SIGTERM";
}
