import type { Rollout } from "./carryOut.ts";
import { repairsFor } from "./repairs.ts";

/** The repairs from whatever version wrote last to the one that takes over. */
export function repairsOf({ target, formerTag }: Rollout) {
  const to = target.settings.get("LETTA_VERSION");
  return repairsFor(target.prepared.stack.server, formerTag ?? to, to);
}
