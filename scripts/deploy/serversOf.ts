import type { Engine, ObservedContainer } from "../docker/engine.ts";
import type { Stack } from "../stack/renderStack.ts";

/** The containers of a stack's server, the first made first: two while one takes over. */
export async function serversOf(
  { project, server }: Pick<Stack, "project" | "server">,
  engine: Pick<Engine, "containers">,
): Promise<ObservedContainer[]> {
  const number = ({ name }: ObservedContainer) => Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  return (await engine.containers(project))
    .filter((one) => one.service === server.service && !/^[0-9a-f]{12}_/.test(one.name))
    .sort((a, b) => number(a) - number(b));
}
