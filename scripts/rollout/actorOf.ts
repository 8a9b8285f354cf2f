import { Problem } from "../common/problem.ts";
import type { Release } from "../ledger/releases.ts";
import type { Tools } from "../parts/tools.ts";
import { pastTarget, type Making } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Actor } from "./stage.ts";

/** A past release's server as it was; undefined where it cannot be had any more. */
export async function actorOf(
  settings: Settings,
  release: Release | undefined,
  making: Making,
  tools: Tools,
): Promise<(Actor & { readonly imageId: string }) | undefined> {
  if (release === undefined) return undefined;
  try {
    const past = await pastTarget(settings, release, making, tools);
    const reference = past.images.bySetting.get("LETTA_IMAGE")!;
    return {
      stack: past.prepared.stack,
      settings: past.settings,
      imageId: past.images.idByReference.get(reference)!,
    };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
