import { randomBytes } from "node:crypto";
import { dockerEngine } from "../engine/dockerEngine.ts";
import { endpoint } from "../engine/endpoint.ts";
import type { Tools } from "../parts/tools.ts";
import type { Terminal } from "./narrate.ts";

/** The real engine, clock and chance behind a rollout. */
export function toolsOf(terminal: Terminal): Tools {
  return {
    engine: dockerEngine(endpoint(process.env), process.env),
    say: terminal,
    // The time of day may be set back while we wait for something: this never is.
    now: () => Math.trunc(performance.timeOrigin + performance.now()),
    randomBytes,
    signal: terminal.signal,
    processEnvironment: process.env,
  };
}
