import type { Lookup } from "./fillSettings.ts";

/** Whether the proxy is the door: always in staging and prod, elsewhere where PROXY says so. */
export function hasProxy(environment: string, lookup: Lookup): boolean {
  return environment === "staging" || environment === "prod" || lookup("PROXY")?.value === "true";
}
