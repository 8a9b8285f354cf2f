import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../ledger/releases.ts";
import { readKey } from "../ledger/secretKey.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Tools } from "../parts/tools.ts";
import { pastTarget } from "../preparation/target.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../verification/verify.ts";
import { observeDrift, type Drift } from "./observeDrift.ts";
import { proveStack } from "./proveStack.ts";

/**
 * Proves what runs and compares it with the last good release.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE, IMAGE_UNAVAILABLE
 */
export async function verifyStack(
  settings: Settings,
  tools: Tools,
): Promise<{ release: string; checks: Check[]; drift: Drift[] }> {
  const { environment } = settings;
  const release = newestGood(join(settings.stateDir, environment));
  const observed = await tools.engine.containers(settings.project);
  if (release === undefined || observed.length === 0) {
    throw new Problem("NOTHING_RUNS", `nothing of ${environment} runs`, {
      next: bringUpCommand(environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, environment);
  const secretKey = readKey(directory);
  const making = { id: release.id, directory, observed, secretKey, keeps: true };
  // Its own text and not the one it brought back: a way back may have left the migration out.
  const target = await pastTarget(settings, { ...release, restores: release.id }, making, tools);
  const [checks, drift] = await Promise.all([
    proveStack(target.settings, target.prepared, directory, tools, "whole"),
    observeDrift(release, target, secretKey, tools),
  ]);
  return { release: release.id, checks, drift };
}
