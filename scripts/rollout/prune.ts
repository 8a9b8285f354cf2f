import { readBackups, removeBackup } from "../ledger/backups.ts";
import { expiredEvidence, removeEvidence } from "../ledger/evidence.ts";
import { chooseExpired } from "../ledger/chooseExpired.ts";
import { releasesNewestFirst, type Release } from "../ledger/releases.ts";
import type { Tools } from "../parts/tools.ts";
import { keptName, keptPrefix } from "../preparation/pinImages.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * Removes what is too old to be restored: the names that keep its images, its backups, and the
 * evidence of old failures. The manifests stay.
 */
export async function prune(settings: Settings, directory: string, tools: Tools): Promise<void> {
  const keep = Number(settings.get("RELEASES_KEEP"));
  const kept = keptReleases(directory, keep);
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
  const evidence = expiredEvidence(directory, keep);
  if (gone.length + expired.length + evidence.length === 0) return;
  const what = `${gone.length} images, ${expired.length} backups, evidence of ${evidence.length} runs`;
  await tools.say.step(`prune: remove ${what}`, async () => {
    for (const { reference } of gone) await tools.engine.untag(reference);
    for (const { id } of expired) removeBackup(directory, id);
    for (const name of evidence) removeEvidence(directory, name);
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
