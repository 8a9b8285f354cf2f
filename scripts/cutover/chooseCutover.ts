import type { ObservedContainer } from "../engine/engine.ts";
import type { Change } from "../parts/planChanges.ts";
import type { Stack } from "../stack/renderStack.ts";

/**
 * What a request meets while the server is replaced. overlap: the new server beside the old
 * one, without a wait. hold: it waits at the proxy. stop: it fails. none: nothing changes.
 */
export type Cutover = "overlap" | "hold" | "stop" | "none";

export interface CutoverAsked {
  readonly stack: Pick<Stack, "services" | "server">;
  readonly changes: readonly Change[];
  readonly observed: readonly ObservedContainer[];
  /** Whether something is done to the database that no server may be on meanwhile. */
  readonly away: boolean;
  /** Whether a rehearsal has shown that this server works on after it, beside the new one. */
  readonly beside: boolean;
  /** Whether the server that runs is of another schema, on which the new one's would be its own. */
  readonly otherHeads: boolean;
  /** What CUTOVER says: auto, hold or stop. */
  readonly wish: string;
}

export interface CutoverPlan {
  readonly cutover: Cutover;
  readonly why: string;
}

/** Decides how the server is replaced: pure. */
export function chooseCutover(asked: CutoverAsked): CutoverPlan {
  const { stack, changes, observed, away, beside, otherHeads, wish } = asked;
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  const service = stack.services.find((one) => one.name === stack.server.service);
  const server = observed.find((one) => one.service === stack.server.service);
  const isReplaced = isTouched(stack.server.service) || isTouched("postgres") || away;
  if (server === undefined || (!isReplaced && !isTouched("proxy"))) {
    return { cutover: "none", why: "nothing that answers is replaced" };
  }
  if (wish === "stop") return { cutover: "stop", why: "CUTOVER is stop" };
  const proxy = observed.find((one) => one.service === "proxy");
  const holds = stack.services.some((one) => one.name === "proxy");
  if (!holds || proxy === undefined) return { cutover: "stop", why: "there is no proxy" };
  if (proxy.state !== "running") return { cutover: "stop", why: "the proxy does not run" };
  if (!isReplaced) return { cutover: "stop", why: "the proxy itself is replaced" };
  const hold = (why: string): CutoverPlan => ({ cutover: "hold", why });
  if (wish === "hold") return hold("CUTOVER is hold");
  if (away && !beside) return hold("the database is worked on meanwhile");
  if (otherHeads && !beside) return hold("the two servers are of different schemas");
  if (isTouched("postgres")) return hold("the database's server is replaced");
  if (server.state !== "running" || server.health !== "healthy") {
    return hold("the present server is not healthy");
  }
  if (service === undefined || service.ports.length > 0) {
    return hold("the server publishes a port, which two cannot");
  }
  if (service.hasFiles) return hold("files are copied into the server's container");
  const why = beside ? "both servers were tried on the new schema at once" : "the schema stays";
  return { cutover: "overlap", why };
}
