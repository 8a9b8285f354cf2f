import { Problem } from "../common/problem.ts";
import { readReleaseFile, releaseIds } from "../ledger/releases.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * The releases of one Compose project say nothing of another's: with the name changed, a rollback
 * would bring up an empty database beside the one that is meant.
 * @throws Problem STATE_UNUSABLE
 */
export function refuseOtherProject(settings: Settings, directory: string): void {
  const [newest] = releaseIds(directory);
  if (newest === undefined) return;
  const text = readReleaseFile(directory, newest, "compose.yaml") ?? "";
  const project = /^name: "?([\w-]+)"?$/mu.exec(text)?.[1];
  if (project === undefined || project === settings.project) return;
  throw new Problem(
    "STATE_UNUSABLE",
    `the releases in ${directory} are those of project ${project}, and STACK_PROJECT is ${settings.project}`,
    {
      details: [`STACK_PROJECT: ${settings.origin("STACK_PROJECT")}`],
      next: `set STACK_PROJECT=${project}, or for a stack of its own another STATE_DIR`,
    },
  );
}
