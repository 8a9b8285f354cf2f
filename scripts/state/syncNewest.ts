import { join } from "node:path";
import { releaseIds } from "./releases.ts";
import { syncFolder } from "./syncFolder.ts";

/**
 * Has the disk know the newest names of a state directory. A run that was killed may have
 * renamed a manifest and not waited for the disk: it can be read, and what is built on it must
 * not outlive it when the power goes.
 */
export function syncNewest(directory: string): void {
  const [newest] = releaseIds(directory);
  const releases = join(directory, "releases");
  if (newest !== undefined) syncFolder(join(releases, newest));
  syncFolder(releases);
  syncFolder(directory);
}
