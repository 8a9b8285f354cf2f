import type { CollectorClient } from "./collectorClient.ts";

/**
 * A collector's container, and its own word for it. Its health only says that its pipelines
 * have begun.
 * @returns what was seen
 * @throws Error where either is not as it should be
 */
export async function collectorHealthy(client: CollectorClient): Promise<string> {
  const health = client.container?.health;
  if (health !== "healthy")
    throw new Error(`expected a healthy container, got ${health ?? "none"}`);
  return healthEndpoint(client);
}

/**
 * What the collector answers at its health endpoint.
 * @throws Error where that is not 200
 */
export async function healthEndpoint(client: CollectorClient): Promise<string> {
  const where = client.address(13133);
  const reply = await client.ask(13133, "/");
  if (reply.status !== 200) throw new Error(`expected 200 on ${where}, got ${reply.status}`);
  return `200 on ${where}`;
}
