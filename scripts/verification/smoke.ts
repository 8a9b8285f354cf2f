import type { Engine } from "../engine/engine.ts";
import type { Stack } from "../stack/renderStack.ts";
import { request } from "./request.ts";

export interface SmokeParts {
  /** The server's container. */
  readonly container: string;
  /** The port it listens on in there. */
  readonly port: number;
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
export async function smoke(parts: SmokeParts, engine: Engine): Promise<number> {
  const kept: Record<string, string> = {};
  const filled = (text: string) =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => kept[name] ?? whole);
  for (const step of parts.server.smoke) {
    const [method = "", path = ""] = filled(step.request).split(" ");
    const reply = await request(`http://127.0.0.1:${parts.port}${path}`, {
      method,
      timeoutMs: patienceMs,
      connection: await engine.connect(parts.container, parts.port),
      headers: {
        connection: "close",
        ...(parts.password ? { authorization: `Bearer ${parts.password}` } : {}),
        ...(step.send ? { "content-type": "application/json" } : {}),
      },
      ...(step.send ? { body: JSON.stringify(step.send) } : {}),
    });
    const answer = reply.body.slice(0, longestAnswer);
    if (reply.status < 200 || reply.status > 299) {
      throw new Error(`${method} ${path}: expected 2xx, got ${reply.status} ${answer}`);
    }
    for (const [name, field] of Object.entries(step.keep ?? {})) {
      const value = fieldOf(reply.body, field);
      if (value === undefined) {
        throw new Error(`${method} ${path}: expected ${field} in the answer, got ${answer}`);
      }
      kept[name] = String(value);
    }
  }
  return parts.server.smoke.length;
}

function fieldOf(body: string, field: string): unknown {
  try {
    return (JSON.parse(body) as Record<string, unknown> | null)?.[field];
  } catch {
    return undefined;
  }
}
