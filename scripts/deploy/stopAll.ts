import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";

/** Parts the tool does not know the grace of: gone from the stack, or made by another version. */
const unknownGraceSeconds = 30;

/**
 * Stops parts of a stack, the last started first: the server drains, the collector flushes,
 * the database closes last, each within its own grace period.
 * @param services which ones; those that do not run are passed over
 */
export async function stopAll(
  stack: Pick<Stack, "project" | "services">,
  services: readonly string[],
  context: Context,
  name: string,
): Promise<void> {
  const running = (await context.engine.containers(stack.project)).filter(
    (one) =>
      services.includes(one.service) && ["running", "restarting", "paused"].includes(one.state),
  );
  if (running.length === 0) return;
  const position = (service: string) => {
    const found = stack.services.findIndex((one) => one.name === service);
    return found < 0 ? stack.services.length : found; // no longer part of the stack: first to go
  };
  const lastFirst = running.sort((a, b) => position(b.service) - position(a.service));
  await context.reporter.step(
    `${name}: ${lastFirst.map((one) => one.service).join(", ")}`,
    async (report) => {
      for (const container of lastFirst) {
        report(container.service);
        const known = stack.services.find((one) => one.name === container.service);
        await context.engine.stop(container.id, known?.graceSeconds ?? unknownGraceSeconds);
      }
    },
  );
}
