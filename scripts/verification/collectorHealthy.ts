import type { CollectorDoor } from "./collectorDoor.ts";

/**
 * A collector's container, and its own word for it. Its health only says that its pipelines
 * have begun.
 * @returns what was seen
 * @throws Error where either is not as it should be
 */
export async function collectorHealthy(door: CollectorDoor): Promise<string> {
  const health = door.container?.health;
  if (health !== "healthy")
    throw new Error(`expected a healthy container, got ${health ?? "none"}`);
  return healthEndpoint(door);
}

/**
 * What the collector answers at its health endpoint.
 * @throws Error where that is not 200
 */
export async function healthEndpoint(door: CollectorDoor): Promise<string> {
  const where = door.address(13133);
  const reply = await door.ask(13133, "/");
  if (reply.status !== 200) throw new Error(`expected 200 on ${where}, got ${reply.status}`);
  return `200 on ${where}`;
}
