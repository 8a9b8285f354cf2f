import { randomBytes } from "node:crypto";
import { dockerEngine } from "../docker/dockerEngine.ts";
import { endpoint } from "../docker/endpoint.ts";
import type { Context } from "../state/context.ts";
import type { Terminal } from "./terminal.ts";

/** The real engine, clock and chance behind a rollout. */
export function createContext(terminal: Terminal): Context {
  return {
    engine: dockerEngine(endpoint(process.env), process.env),
    reporter: terminal,
    // The time of day may be set back while we wait for something: this never is.
    now: () => Math.trunc(performance.timeOrigin + performance.now()),
    randomBytes,
    signal: terminal.signal,
    processEnvironment: process.env,
  };
}
