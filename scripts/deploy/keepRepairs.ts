import { sameRevisions } from "../database/sameRevisions.ts";
import { releasesNewestFirst } from "../state/releases.ts";
import type { Stack } from "../stack/renderStack.ts";
import { repairsFor } from "./repairs.ts";

/**
 * The repairs for a server that takes over a schema newer than its own: from the version
 * that brought the database there, whether that one came to be good or not.
 * @param at what the database is at
 * @param to the older server's version
 */
export function keepRepairs(
  directory: string,
  server: Stack["server"],
  at: readonly string[],
  to: string,
): Promise<Stack["server"]["repairs"]> {
  const writer = releasesNewestFirst(directory).find(({ heads }) => sameRevisions(heads, at));
  return repairsFor(server, writer?.tag ?? to, to);
}
