import type { Engine, ObservedContainer } from "../docker/engine.ts";
import { request, type Asked, type Reply } from "./request.ts";

/** A collector as it is reached from here. */
export interface CollectorClient {
  readonly service: string;
  readonly container: ObservedContainer | undefined;
  /** One of its ports as people find it. */
  address(port: number): string;
  /** Asks one of its ports, by the number it has in its container. */
  ask(port: number, path: string, input?: Asked): Promise<Reply>;
}

/**
 * Reaches a collector: the loopback ports it publishes; where it publishes none, as one
 * of several behind a name, a connection into its container.
 * @param published ports of this machine by the port in the container
 */
export function collectorClient(
  service: string,
  published: ReadonlyMap<number, number>,
  container: ObservedContainer | undefined,
  engine: Engine,
): CollectorClient {
  return {
    service,
    container,
    address: (port) =>
      published.has(port) ? `127.0.0.1:${published.get(port)}` : `${service}:${port}`,
    async ask(port, path, input = {}) {
      const open = published.get(port);
      if (open !== undefined) return request(`http://127.0.0.1:${open}${path}`, input);
      if (container === undefined) throw new Error(`expected a container of ${service}, got none`);
      return request(`http://127.0.0.1:${port}${path}`, {
        ...input,
        headers: { connection: "close", ...input.headers },
        connection: await engine.connect(container.id, port),
      });
    },
  };
}
