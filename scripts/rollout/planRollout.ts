import { join } from "node:path";
import type { Cutover } from "../cutover/chooseCutover.ts";
import { describeEngine } from "../engine/endpoint.ts";
import type { ImageChoice } from "../images/chooseImage.ts";
import { nextReleaseId } from "../ledger/releases.ts";
import { readKey } from "../ledger/secretKey.ts";
import type { Tools } from "../parts/tools.ts";
import { chooseImages } from "../preparation/chooseImages.ts";
import { imageSettings } from "../preparation/prepareStack.ts";
import { newTarget, type Target } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { decide, type Decision } from "./decide.ts";
import { describePlan } from "./describePlan.ts";
import { plannedCutover } from "./plannedCutover.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./refuseOtherPlace.ts";
import { rollbackTarget, type RollbackAsked } from "./rollback.ts";

export interface RolloutPlan {
  readonly target: Target;
  readonly decision: Decision;
  /** For people. */
  readonly lines: readonly string[];
  /** Where the images of a deploy would come from; none for a rollback. */
  readonly images: readonly ImageChoice[];
  readonly cutover: Cutover;
}

/**
 * What a deploy, or this rollback, would do now. Nothing is written, built or pulled.
 * @throws Problem ENGINE_UNREACHABLE, RELEASE_UNKNOWN, IMAGE_UNAVAILABLE
 */
export async function planRollout(
  settings: Settings,
  rollback: Pick<RollbackAsked, "wanted" | "way" | "onlyConfiguration"> | undefined,
  tools: Tools,
): Promise<RolloutPlan> {
  const directory = join(settings.stateDir, settings.environment);
  if (rollback === undefined) refuseOtherPlace(settings, directory);
  const making = {
    id: nextReleaseId(directory),
    directory,
    observed: await tools.engine.containers(settings.project),
    secretKey: readKey(directory),
    keeps: false,
  };
  const target =
    rollback === undefined
      ? await newTarget(settings, making, false, tools)
      : await rollbackTarget(settings, rollback, making, tools);
  const images =
    rollback === undefined
      ? (await chooseImages(settings, imageSettings(settings), tools)).choices
      : [];
  const kind = rollback === undefined ? "deploy" : "rollback";
  const decision = await decide(settings, target, making, { kind, way: rollback?.way }, tools);
  const { present, isMarked = false } = decision.situation;
  if (rollback === undefined) refuseOtherDatabase(settings, present, making.secretKey, isMarked);
  return {
    target,
    decision,
    lines: [
      describeEngine(tools.engine),
      ...(await describePlan(target, decision, present, directory)),
      ...images
        .filter((one) => one.source !== "present")
        .map((one) => `${one.source} ${one.reference}: ${one.cause}`),
    ],
    images,
    cutover: plannedCutover(target, decision).cutover,
  };
}
