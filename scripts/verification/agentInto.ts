import { Agent, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import type { Engine } from "../engine/engine.ts";

/**
 * Requests to a port in a container, one after the other, over as few connections as the server
 * allows: each costs a program that is started in there. To be destroyed after the last answer.
 */
export class AgentInto extends Agent {
  readonly container: string;
  readonly #connect: () => Promise<Duplex>;

  constructor(engine: Pick<Engine, "connect">, container: string, port: number) {
    super({ keepAlive: true, maxSockets: 1 });
    this.container = container;
    this.#connect = () => engine.connect(container, port);
  }

  override createConnection(
    _: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connect().then(
      (stream) => callback?.(null, Object.assign(stream, asSocket)),
      (error: Error) => callback?.(error, undefined as never),
    );
  }
}

/** What Node's agent asks of a socket: what leads into a container has none of it. */
const asSocket = {
  setKeepAlive: () => undefined,
  setTimeout: () => undefined,
  ref: () => undefined,
  unref: () => undefined,
};
