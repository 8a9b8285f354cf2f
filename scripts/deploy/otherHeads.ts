import { sameRevisions } from "../database/sameRevisions.ts";
import type { Release } from "../state/release.ts";

/**
 * Whether the server that serves is of another schema than a new one, or may be: two such servers must
 * not be on one database at once, whatever each does there alone.
 * @param present its release; undefined where its state was lost
 * @param heads what the new one's image leads to
 */
export function otherHeads(present: Release | undefined, heads: readonly string[]): boolean {
  return present === undefined || !sameRevisions(present.heads, heads);
}
