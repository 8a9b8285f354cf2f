import { chooseStrategy, type StrategyPlan } from "./chooseStrategy.ts";
import { otherHeads } from "./otherHeads.ts";
import type { Target } from "./target.ts";
import type { Decision } from "./decide.ts";

/**
 * How the server would be replaced, as far as is known before the way was tried.
 * @param alongside what a rehearsal would have to show of a migration
 */
export function plannedStrategy(
  target: Target,
  decision: Pick<Decision, "currentState" | "changes" | "schema">,
  sideBySide = false,
): StrategyPlan {
  const { currentState, changes, schema } = decision;
  return chooseStrategy({
    stack: target.prepared.stack,
    changes,
    observed: currentState.observed,
    isOffline: schema.action !== "none",
    sideBySide: sideBySide && schema.action === "migrate",
    otherHeads: otherHeads(currentState.present, schema.heads),
    configured: target.settings.get("DEPLOY_STRATEGY"),
  });
}
