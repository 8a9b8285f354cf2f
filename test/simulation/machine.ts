import type { SimulatedServers } from "./servers.ts";

let present: SimulatedServers | undefined;

/** The servers and the database of the world that is entered. */
export function cluster(): SimulatedServers {
  if (present === undefined) throw new Error("no simulated servers");
  return present;
}

export function install(next: SimulatedServers): void {
  present = next;
}
