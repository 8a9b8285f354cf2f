import { durationMs } from "../common/units.ts";
import { chooseExpired, readBackups, removeBackup } from "../state/backups.ts";
import { expiredEvidence, removeEvidence } from "../state/evidence.ts";
import { releasesNewestFirst } from "../state/releases.ts";
import type { Release } from "../state/release.ts";
import type { Context } from "../state/context.ts";
import { retainedName, retainedPrefix } from "./obtainImages.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * Removes what is too old to be restored: the names that keep its images, its backups, and the
 * evidence of old failures. The manifests stay.
 */
export async function prune(
  settings: Settings,
  directory: string,
  context: Context,
): Promise<void> {
  const keep = Number(settings.get("RELEASES_KEEP"));
  const retained = retainedReleases(directory, keep);
  const needed = new Set(
    retained.flatMap((one) => Object.values(one.services).map((service) => service.imageId)),
  );
  const names = new Set([...needed].map((id) => retainedName(settings.project, id)));
  const prefix = retainedPrefix(settings.project);
  const tagged = await context.engine.tagged(prefix);
  // Another project's name may begin with this one's: letta, letta-prod.
  const ours = tagged.filter((one) => /^[0-9a-f]{12}$/.test(one.reference.slice(prefix.length)));
  const gone = ours.filter((one) => !names.has(one.reference));
  const expired = chooseExpired(readBackups(directory).backups, {
    keep: Number(settings.get("BACKUPS_KEEP")),
    days: durationMs(settings.get("BACKUPS_KEEP_FOR")) / 86_400_000,
    now: new Date(context.now()),
    needed: retained.flatMap((one) => (one.backup === null ? [] : [one.backup])),
  });
  const evidence = expiredEvidence(directory, keep);
  if (gone.length + expired.length + evidence.length === 0) return;
  const what = `${gone.length} images, ${expired.length} backups, evidence of ${evidence.length} runs`;
  await context.reporter.step(`prune: remove ${what}`, async () => {
    for (const { reference } of gone) await context.engine.untag(reference);
    for (const { id } of expired) removeBackup(directory, id);
    for (const name of evidence) removeEvidence(directory, name);
  });
}

/** The good releases that can be gone back to: so many different ones, newest first. */
export function retainedReleases(directory: string, count: number): Release[] {
  const retained: Release[] = [];
  const origins = new Set<string>();
  for (const release of releasesNewestFirst(directory)) {
    if (release.outcome !== "good") continue;
    origins.add(release.restores ?? release.id);
    if (origins.size > count) break;
    retained.push(release);
  }
  return retained;
}
