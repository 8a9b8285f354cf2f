import { Problem } from "../common/problem.ts";
import type { Release } from "../state/releases.ts";
import type { Context } from "../state/context.ts";
import { pastTarget, type Preparation } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { RehearsedServer } from "./rehearsalEnvironment.ts";

/** A past release's server as it was; undefined where it cannot be had any more. */
export async function rehearsedServerOf(
  settings: Settings,
  release: Release | undefined,
  preparation: Preparation,
  context: Context,
): Promise<(RehearsedServer & { readonly imageId: string }) | undefined> {
  if (release === undefined) return undefined;
  try {
    const past = await pastTarget(settings, release, preparation, context);
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
