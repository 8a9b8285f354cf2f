import { readBackups, removeBackup } from "../ledger/backups.ts";
import { chooseExpired } from "../ledger/chooseExpired.ts";
import { releasesNewestFirst, type Release } from "../ledger/releases.ts";
import type { Tools } from "../parts/tools.ts";
import { keptName, keptPrefix } from "../preparation/pinImages.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * Lets go of what is too old to be gone back to: the names that keep its images, and its
 * backups. The sheets stay.
 */
export async function prune(settings: Settings, directory: string, tools: Tools): Promise<void> {
  const kept = keptReleases(directory, Number(settings.get("RELEASES_KEEP")));
  const needed = new Set(
    kept.flatMap((one) => Object.values(one.services).map((service) => service.imageId)),
  );
  const names = new Set([...needed].map((id) => keptName(settings.project, id)));
  const prefix = keptPrefix(settings.project);
  const tagged = await tools.engine.tagged(prefix);
  // Another project's name may begin with this one's: letta, letta-prod.
  const ours = tagged.filter((one) => /^[0-9a-f]{12}$/.test(one.reference.slice(prefix.length)));
  const gone = ours.filter((one) => !names.has(one.reference));
  const expired = chooseExpired(readBackups(directory).backups, {
    keep: Number(settings.get("BACKUPS_KEEP")),
    days: Number(settings.get("BACKUPS_DAYS")),
    now: new Date(tools.now()),
    needed: kept.flatMap((one) => (one.backup === null ? [] : [one.backup])),
  });
  if (gone.length === 0 && expired.length === 0) return;
  await tools.say.step(`let go of ${gone.length} images, ${expired.length} backups`, async () => {
    for (const { reference } of gone) await tools.engine.untag(reference);
    for (const { id } of expired) removeBackup(directory, id);
  });
}

/** The good releases that can be gone back to: so many different ones, newest first. */
export function keptReleases(directory: string, count: number): Release[] {
  const kept: Release[] = [];
  const origins = new Set<string>();
  for (const release of releasesNewestFirst(directory)) {
    if (release.outcome !== "good") continue;
    origins.add(release.restores ?? release.id);
    if (origins.size > count) break;
    kept.push(release);
  }
  return kept;
}
