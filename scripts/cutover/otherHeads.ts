import { sameRevisions } from "../database/sameRevisions.ts";
import type { Release } from "../ledger/release.ts";

/**
 * Whether the release that serves is of another schema than a new one: two such servers must
 * not be on one database at once, whatever each does there alone.
 * @param heads what the new one's image leads to
 */
export function otherHeads(present: Release | undefined, heads: readonly string[]): boolean {
  return present !== undefined && !sameRevisions(present.heads, heads);
}
