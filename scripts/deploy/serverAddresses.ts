import type { ObservedContainer } from "../docker/engine.ts";
import type { Stack } from "../stack/renderStack.ts";

/** The addresses from which a stack's servers and migrations connect to their database. Pure. */
export function serverAddresses(
  { server }: Pick<Stack, "server">,
  containers: readonly ObservedContainer[],
): string[] {
  return containers
    .filter((one) => one.service === server.service || one.service === server.migrate)
    .flatMap((one) => one.addresses ?? []);
}
