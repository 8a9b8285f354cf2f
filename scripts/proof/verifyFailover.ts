import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../ledger/releases.ts";
import { readKey } from "../ledger/secretKey.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Tools } from "../parts/tools.ts";
import { pastTarget } from "../preparation/target.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../verification/check.ts";
import { proveFailover } from "./proveFailover.ts";

/**
 * The sixth production check for what runs: failover and retry, on a twin of the last good
 * release's telemetry.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE, IMAGE_UNAVAILABLE
 */
export async function verifyFailover(settings: Settings, tools: Tools): Promise<Check> {
  const { environment } = settings;
  const release = newestGood(join(settings.stateDir, environment));
  if (release === undefined) {
    throw new Problem("NOTHING_RUNS", `nothing of ${environment} runs`, {
      next: bringUpCommand(environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, environment);
  const observed = await tools.engine.containers(settings.project);
  const making = {
    id: release.id,
    directory,
    observed,
    secretKey: readKey(directory),
    keeps: true,
  };
  const target = await pastTarget(settings, { ...release, restores: release.id }, making, tools);
  return proveFailover(target.settings, target.prepared, directory, tools);
}
