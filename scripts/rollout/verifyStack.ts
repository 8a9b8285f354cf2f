import { bringUpCommand } from "../settings/bringUpCommand.ts";
import { Problem } from "../common/problem.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../verification/verify.ts";
import { observeChanges } from "./observeChanges.ts";
import type { Change } from "./planChanges.ts";
import { proveStack } from "./proveStack.ts";
import type { Tools } from "./tools.ts";

/**
 * Proves what runs and compares it with what was asked for.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE
 */
export async function verifyStack(
  settings: Settings,
  tools: Tools,
): Promise<{ checks: Check[]; drift: Change[] }> {
  const seen = await observeChanges(settings, tools);
  if (seen.changes.every((one) => one.action === "create")) {
    throw new Problem("NOTHING_RUNS", `nothing of ${settings.environment} runs`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const checks = await proveStack(settings, seen.prepared, directory, tools, "whole");
  return { checks, drift: seen.changes.filter((one) => one.action !== "none") };
}
