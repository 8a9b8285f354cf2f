import { Agent, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import type { Engine } from "../docker/engine.ts";
import type { Stack } from "../stack/renderStack.ts";
import { request } from "./request.ts";

/**
 * Requests to a port in a container, one after the other, over as few connections as the server
 * allows: each costs a program that is started in there. To be destroyed after the last answer.
 */
class AgentInto extends Agent {
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

export interface SmokeParts {
  /** The server's container. */
  readonly container: string;
  readonly server: Stack["server"];
  readonly password: string | undefined;
}

/** A first write may have to wake much up. */
const patienceMs = 30_000;
const longestAnswer = 300;

/**
 * Writes, reads and deletes through a server's interface, as its role says: what its health
 * does not tell. Reaches it inside its container, whatever it publishes.
 * @returns how many requests it answered
 * @throws Error with the first request that was refused or lacks what is to be remembered, and the answer
 */
export async function smoke(parts: SmokeParts, engine: Pick<Engine, "connect">): Promise<number> {
  const agent = new AgentInto(engine, parts.container, parts.server.port);
  const retained: Record<string, string> = {};
  try {
    for (const step of parts.server.smoke) await take(step, parts, agent, retained);
  } finally {
    agent.destroy();
  }
  return parts.server.smoke.length;
}

/** @param retained what earlier steps found, by its name; this one adds to it */
async function take(
  { request: input, send, keep }: Stack["server"]["smoke"][number],
  { server: { port }, password }: SmokeParts,
  agent: AgentInto,
  retained: Record<string, string>,
): Promise<void> {
  const filled = input.replace(/\{(\w+)\}/g, (whole, name: string) => retained[name] ?? whole);
  const [method = "", path = ""] = filled.split(" ");
  const reply = await request(`http://127.0.0.1:${port}${path}`, {
    method,
    timeoutMs: patienceMs,
    agent,
    headers: {
      ...(password ? { authorization: `Bearer ${password}` } : {}),
      ...(send ? { "content-type": "application/json" } : {}),
    },
    ...(send ? { body: JSON.stringify(send) } : {}),
  });
  const answer = reply.body.slice(0, longestAnswer);
  if (reply.status < 200 || reply.status > 299) {
    throw new Error(`${method} ${path}: expected 2xx, got ${reply.status} ${answer}`);
  }
  for (const [name, field] of Object.entries(keep ?? {})) {
    const value = fieldOf(reply.body, field);
    if (value === undefined) {
      throw new Error(`${method} ${path}: expected ${field} in the answer, got ${answer}`);
    }
    retained[name] = String(value);
  }
}

function fieldOf(body: string, field: string): unknown {
  try {
    return (JSON.parse(body) as Record<string, unknown> | null)?.[field];
  } catch {
    return undefined;
  }
}
