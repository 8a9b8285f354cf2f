import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../state/releases.ts";
import { readKey } from "../state/secretKey.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import type { Context } from "../state/context.ts";
import { pastTarget } from "./target.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../checks/verify.ts";
import { observeDrift, type Drift } from "./observeDrift.ts";
import { verifyRelease } from "./verifyRelease.ts";

/**
 * Verifies what runs and compares it with the last good release.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE, IMAGE_UNAVAILABLE
 */
export async function verifyStack(
  settings: Settings,
  context: Context,
): Promise<{ release: string; checks: Check[]; drift: Drift[] }> {
  const { environment } = settings;
  const release = newestGood(join(settings.stateDir, environment));
  const observed = await context.engine.containers(settings.project);
  if (release === undefined || observed.length === 0) {
    throw new Problem("NOTHING_RUNS", `nothing of ${environment} runs`, {
      next: bringUpCommand(environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, environment);
  const secretKey = readKey(directory);
  const making = { id: release.id, directory, observed, secretKey, keeps: true };
  // Its own text and not the one it brought back: a rollback may have left the migration out.
  const target = await pastTarget(settings, { ...release, restores: release.id }, making, context);
  const [checks, drift] = await Promise.all([
    verifyRelease(target.settings, target.prepared, directory, context, "whole"),
    observeDrift(release, target, secretKey, context),
  ]);
  return { release: release.id, checks, drift };
}
