import { Problem } from "../common/problem.ts";
import type { Pause } from "./proxyControl.ts";

/** A migration may take so many times as long as its rehearsal: others use the machine meanwhile. */
export const rehearsedMargin = 1.5;

/**
 * Asserts that requests are paused, and for long enough that a migration ends before the pause.
 * Asked again before each step that depends on it.
 * @param migrateSeconds how long the migration took in the rehearsal
 * @throws Problem PAUSE_ENDED
 */
export async function assertPauseCovers(
  pause: Pick<Pause, "remaining">,
  migrateSeconds: number,
): Promise<void> {
  const remaining = await pause.remaining();
  const needed = migrateSeconds * rehearsedMargin;
  if (remaining > 0 && remaining >= needed) return;
  throw new Problem(
    "PAUSE_ENDED",
    remaining > 0
      ? "the pause of requests is too short for the migration"
      : "the pause of requests ended before the migration",
    {
      details: [
        `expected a pause of at least ${needed.toFixed(1)} s more, got ${remaining.toFixed(1)} s`,
      ],
    },
  );
}
