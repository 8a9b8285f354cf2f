import type { Engine } from "../engine/engine.ts";
import type { Stack } from "../stack/renderStack.ts";
import { AgentInto } from "./agentInto.ts";
import { request } from "./request.ts";

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
 * @throws Error with the first request that was refused or lacks what is to be kept, and the answer
 */
export async function smoke(parts: SmokeParts, engine: Pick<Engine, "connect">): Promise<number> {
  const agent = new AgentInto(engine, parts.container, parts.server.port);
  const kept: Record<string, string> = {};
  try {
    for (const step of parts.server.smoke) await take(step, parts, agent, kept);
  } finally {
    agent.destroy();
  }
  return parts.server.smoke.length;
}

/** @param kept what earlier steps found, by its name; this one adds to it */
async function take(
  { request: asked, send, keep }: Stack["server"]["smoke"][number],
  { server: { port }, password }: SmokeParts,
  agent: AgentInto,
  kept: Record<string, string>,
): Promise<void> {
  const filled = asked.replace(/\{(\w+)\}/g, (whole, name: string) => kept[name] ?? whole);
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
    kept[name] = String(value);
  }
}

function fieldOf(body: string, field: string): unknown {
  try {
    return (JSON.parse(body) as Record<string, unknown> | null)?.[field];
  } catch {
    return undefined;
  }
}
