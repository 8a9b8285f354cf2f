import type { ObservedContainer } from "../docker/engine.ts";
import type { Change } from "./planChanges.ts";
import type { Stack } from "../stack/renderStack.ts";

/**
 * What a request meets while the server is replaced. blue-green: the new server starts next to the old
 * one, without a wait. pause: it waits at the proxy. recreate: it fails. none: nothing changes.
 */
export type DeployStrategy = "blue-green" | "pause" | "recreate" | "none";

export interface StrategyInput {
  readonly stack: Pick<Stack, "services" | "server">;
  readonly changes: readonly Change[];
  readonly observed: readonly ObservedContainer[];
  /** Whether something is done to the database that no server may be on meanwhile. */
  readonly isOffline: boolean;
  /** Whether a rehearsal has shown that this server works after it, side by side with the new one. */
  readonly sideBySide: boolean;
  /** Whether the server that runs is of another schema, on which the new one's would be its own. */
  readonly otherHeads: boolean;
  /** What DEPLOY_STRATEGY says: auto, pause or recreate. */
  readonly configured: string;
}

export interface StrategyPlan {
  readonly strategy: DeployStrategy;
  readonly why: string;
}

/** Decides how the server is replaced: pure. */
export function chooseStrategy(input: StrategyInput): StrategyPlan {
  const { stack, changes, observed, isOffline, sideBySide, otherHeads, configured } = input;
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  const service = stack.services.find((one) => one.name === stack.server.service);
  const server = observed.find((one) => one.service === stack.server.service);
  // One that comes or goes with this release is used by one of the two servers alone.
  const isRedisAway = changes.some(
    (one) => one.service === "redis" && ["recreate", "start"].includes(one.action),
  );
  const isReplaced =
    isTouched(stack.server.service) || isTouched("postgres") || isRedisAway || isOffline;
  if (server === undefined || (!isReplaced && !isTouched("proxy"))) {
    return { strategy: "none", why: "neither server nor proxy is replaced" };
  }
  if (configured === "recreate")
    return { strategy: "recreate", why: "DEPLOY_STRATEGY is recreate" };
  const proxy = observed.find((one) => one.service === "proxy");
  const hasProxy = stack.services.some((one) => one.name === "proxy");
  if (!hasProxy || proxy === undefined) return { strategy: "recreate", why: "there is no proxy" };
  if (proxy.state !== "running") return { strategy: "recreate", why: "the proxy does not run" };
  if (!isReplaced) return { strategy: "recreate", why: "the proxy itself is replaced" };
  const pausing = (why: string): StrategyPlan => ({ strategy: "pause", why });
  if (configured === "pause") return pausing("DEPLOY_STRATEGY is pause");
  if (isOffline && !sideBySide) return pausing("the database is changed meanwhile");
  if (otherHeads && !sideBySide) return pausing("the two servers are of different schemas");
  if (isTouched("postgres")) return pausing("the database's server is replaced");
  if (isRedisAway) return pausing("Redis, without which messages fail, is replaced");
  if (server.state !== "running" || server.health !== "healthy") {
    return pausing("the present server is not healthy");
  }
  if (service === undefined || service.ports.length > 0) {
    return pausing("the server publishes a port, which two containers cannot share");
  }
  if (service.hasFiles) return pausing("files are copied into the server's container");
  const why = sideBySide
    ? "both servers passed the rehearsal on the new schema"
    : "the schema stays";
  return { strategy: "blue-green", why };
}
