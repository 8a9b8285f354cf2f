import { AsyncLocalStorage } from "node:async_hooks";
import type { SimulatedServers } from "./servers.ts";

let present: SimulatedServers | undefined;
const machines = new AsyncLocalStorage<SimulatedServers>();

/** The servers and the database of the machine that the process is on. */
export function cluster(): SimulatedServers {
  const servers = machines.getStore() ?? present;
  if (servers === undefined) throw new Error("no simulated servers");
  return servers;
}

/** Enters a world by its first machine. */
export function install(next: SimulatedServers): void {
  present = next;
}

/** Does something on one of several machines. */
export function onMachine<Result>(servers: SimulatedServers, work: () => Result): Result {
  return machines.run(servers, work);
}
