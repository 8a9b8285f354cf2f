import { coerce, gte } from "semver";
import { failed, passed, skipped, type CheckResult } from "./runCheck.ts";

/** moby/moby#45610, fixed in Docker Engine 28.0.0. */
const closedSince = "28.0.0";

const loopback = /^(?:127\.|::1$|localhost$)/;

/** Whether an address is this host's own. */
export function isLoopback(host: string): boolean {
  return loopback.test(host);
}

/**
 * Whether hosts of the same network segment reach what an engine publishes at 127.0.0.1: before 28.0
 * they do, by a route to the container's network through this host.
 * @param engine the engine's version
 */
export function segmentReachesLoopback(engine: string): boolean {
  return !gte(coerce(engine) ?? "0.0.0", closedSince);
}

/**
 * Judges ports that are meant for this host alone. A developer's machine is reported and not judged. Pure.
 * @param engine the engine's version
 * @param ports "service 127.0.0.1:4317" for each
 */
export function diagnoseLoopback(
  engine: string,
  ports: readonly string[],
  isDeployed: boolean,
): CheckResult {
  if (ports.length === 0) return passed("no port is published at 127.0.0.1");
  if (!segmentReachesLoopback(engine)) {
    return passed(`${ports.length} ports at 127.0.0.1: no other host reaches them`);
  }
  const found = `expected engine ${closedSince} or later, got ${engine}: hosts of the same network segment reach what it publishes at 127.0.0.1 (moby/moby#45610)`;
  const next = "https://docs.docker.com/engine/install/";
  const notes = [
    ...ports,
    "until then a firewall has to drop what comes from other hosts for the containers' networks",
  ];
  return isDeployed ? failed(found, next, notes) : skipped(found, next, notes);
}
