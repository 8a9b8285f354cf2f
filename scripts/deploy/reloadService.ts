import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { Reload } from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";

/**
 * A part takes up a configuration that was laid out anew, and stays. Connections that come while
 * it does are paused by a relay; where that cannot run the service reads its configuration all
 * the same, may reset a request of that instant, and a note says so.
 * @throws Problem STEP_FAILED where the service refuses it; it goes on with what it had then
 */
export async function reloadService(
  name: string,
  id: string,
  reload: Reload,
  stack: Stack,
  context: Context,
): Promise<void> {
  const [{ code, stdout, stderr }] = await Promise.all([
    context.engine.exec(id, reload.command),
    relayed(id, reload, stack, context).catch(() => undefined),
  ]);
  if (reload.relay !== undefined && stdout.trim() !== "")
    context.reporter.note(`${name}: ${stdout.trim()}`);
  if (code === 0) return;
  throw new Problem("STEP_FAILED", `${name} does not take its new configuration`, {
    details: stderr.trim().split("\n").slice(-3),
    next: `npm run logs -- ${stack.environment} ${name}`,
  });
}

/**
 * Starts compose/relay.py in a service's network, from the server's image, the only one that is there and
 * has Python. It goes on by itself until the last connection that it took has ended.
 */
async function relayed(
  id: string,
  { relay }: Reload,
  stack: Stack,
  context: Context,
): Promise<void> {
  if (relay === undefined) return;
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  const script = readFileSync(join(import.meta.dirname, "../../compose/relay.py"), "utf8");
  const { port, control } = relay;
  await context.engine.detach({
    image: server.image,
    entrypoint: ["python3", "-c", script, port, control],
    network: `container:${id}`,
    user: "0:0", // only the service's own user may listen next to it
  });
}
