import type { Backup } from "./backups.ts";

const dayMs = 86_400_000;

export interface Keeping {
  /** How many of the newest stay whatever their age. */
  readonly keep: number;
  /** How old one must be to go. */
  readonly days: number;
  readonly now: Date;
  /** Ids of backups that a release needs for its rollback. */
  readonly needed: Iterable<string>;
}

/**
 * The backups that may go: beyond the count and older than the days, both. Never the newest,
 * never the newest that was verified, never one that is needed. Newest is known by the id's
 * counter, not by a clock that may have been wrong.
 */
export function chooseExpired(
  backups: readonly Backup[],
  { keep, days, now, needed }: Keeping,
): Backup[] {
  const newestFirst = backups.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const stay = new Set(needed);
  const verified = newestFirst.find((one) => one.verified !== null);
  if (verified) stay.add(verified.id);
  return newestFirst.slice(Math.max(1, keep)).filter((one) => {
    const age = now.getTime() - Date.parse(one.created);
    return age > days * dayMs && !stay.has(one.id);
  });
}
