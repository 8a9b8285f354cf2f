import { chooseCutover, type CutoverPlan } from "../cutover/chooseCutover.ts";
import { otherHeads } from "../cutover/otherHeads.ts";
import type { Target } from "../preparation/target.ts";
import type { Decision } from "./decide.ts";

/**
 * How the server would be replaced, as far as is known before the way was tried.
 * @param beside what a rehearsal would have to show of a migration
 */
export function plannedCutover(
  target: Target,
  decision: Pick<Decision, "situation" | "changes" | "schema">,
  beside = false,
): CutoverPlan {
  const { situation, changes, schema } = decision;
  return chooseCutover({
    stack: target.prepared.stack,
    changes,
    observed: situation.observed,
    away: schema.action !== "none",
    beside: beside && schema.action === "migrate",
    otherHeads: otherHeads(situation.present, schema.heads),
    wish: target.settings.get("CUTOVER"),
  });
}
