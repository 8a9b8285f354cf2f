import { join } from "node:path";
import type { DeployStrategy } from "./chooseStrategy.ts";
import { describeEngine } from "../docker/endpoint.ts";
import type { ImageChoice } from "../docker/chooseImage.ts";
import { nextReleaseId } from "../state/releases.ts";
import { readKey } from "../state/secretKey.ts";
import type { Context } from "../state/context.ts";
import { chooseImages } from "./chooseImages.ts";
import { imageSettings } from "./prepareStack.ts";
import { newTarget, type Target } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { decide, type Decision } from "./decide.ts";
import { describePlan } from "./describePlan.ts";
import { plannedStrategy } from "./plannedStrategy.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./refuseOtherPlace.ts";
import { rollbackTarget, type RollbackInput } from "./rollback.ts";

export interface RolloutPlan {
  readonly target: Target;
  readonly decision: Decision;
  /** For people. */
  readonly lines: readonly string[];
  /** Where the images of a deploy would come from; none for a rollback. */
  readonly images: readonly ImageChoice[];
  readonly strategy: DeployStrategy;
}

/**
 * What a deploy, or this rollback, would do now. Nothing is written, built or pulled.
 * @throws Problem ENGINE_UNREACHABLE, RELEASE_UNKNOWN, IMAGE_UNAVAILABLE
 */
export async function planRollout(
  settings: Settings,
  rollback: Pick<RollbackInput, "requested" | "databaseStrategy" | "onlyConfiguration"> | undefined,
  context: Context,
): Promise<RolloutPlan> {
  const directory = join(settings.stateDir, settings.environment);
  if (rollback === undefined) refuseOtherPlace(settings, directory);
  const preparation = {
    id: nextReleaseId(directory),
    directory,
    observed: await context.engine.containers(settings.project),
    secretKey: readKey(directory),
    keeps: false,
  };
  const target =
    rollback === undefined
      ? await newTarget(settings, preparation, false, context)
      : await rollbackTarget(settings, rollback, preparation, context);
  const images =
    rollback === undefined
      ? (await chooseImages(settings, imageSettings(settings), context)).choices
      : [];
  const kind = rollback === undefined ? "deploy" : "rollback";
  const decision = await decide(
    settings,
    target,
    preparation,
    { kind, databaseStrategy: rollback?.databaseStrategy },
    context,
  );
  const { present, isMarked = false } = decision.currentState;
  if (rollback === undefined)
    refuseOtherDatabase(settings, present, preparation.secretKey, isMarked);
  return {
    target,
    decision,
    lines: [
      describeEngine(context.engine),
      ...(await describePlan(target, decision, present, directory)),
      ...images
        .filter((one) => one.source !== "present")
        .map((one) => `${one.source} ${one.reference}: ${one.cause}`),
    ],
    images,
    strategy: plannedStrategy(target, decision).strategy,
  };
}
