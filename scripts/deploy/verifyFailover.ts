import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../state/releases.ts";
import { readKey } from "../state/secretKey.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import type { Context } from "../state/context.ts";
import { pastTarget } from "./target.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../checks/check.ts";
import { checkFailover } from "./checkFailover.ts";

/**
 * The sixth production check for what runs: failover and retry, on a twin of the last good
 * release's telemetry.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE, IMAGE_UNAVAILABLE
 */
export async function verifyFailover(settings: Settings, context: Context): Promise<Check> {
  const { environment } = settings;
  const release = newestGood(join(settings.stateDir, environment));
  if (release === undefined) {
    throw new Problem("NOTHING_RUNS", `nothing of ${environment} runs`, {
      next: bringUpCommand(environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, environment);
  const observed = await context.engine.containers(settings.project);
  const making = {
    id: release.id,
    directory,
    observed,
    secretKey: readKey(directory),
    keeps: true,
  };
  const target = await pastTarget(settings, { ...release, restores: release.id }, making, context);
  return checkFailover(target.settings, target.prepared, directory, context);
}
