import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import { batchDelayMs, type StackService } from "../stack/readServices.ts";
import { labels, type Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import { keepPauseToken, pauseTokenOf, recordTookWrites } from "../state/markers.ts";
import type { Release } from "../state/release.ts";
import type { Pause, ProxyControl } from "./proxyControl.ts";

export interface PauseInput {
  /** The release that is activated, or that failed and is rolled back. */
  readonly manifest: Pick<Release, "id" | "databaseStrategy">;
  readonly directory: string;
  readonly server: Pick<Stack["server"], "service">;
  /** The stack's containers as they are now. */
  readonly observed: readonly Pick<ObservedContainer, "service" | "state" | "labels">[];
  /** How long requests may wait; the setting's where it is left out. */
  readonly seconds?: number | undefined;
}

/**
 * Pauses requests while a release's server or database changes. Where an earlier pause for that
 * release has ended, and its server was started, requests may have reached the migrated database:
 * that is written down (`recordTookWrites`), so no rollback replaces it by its snapshot.
 * @param proxyControl undefined where no proxy runs, which counts as a pause that has ended
 * @throws Problem STEP_FAILED where the proxy does not answer
 */
export async function pauseFor(
  { manifest, directory, server, observed, seconds }: PauseInput,
  proxyControl: ProxyControl | undefined,
): Promise<Pause | undefined> {
  const known = pauseTokenOf(directory, manifest.id);
  const pause = await proxyControl?.pause(seconds);
  const isGap = known !== undefined && pause?.replaced !== known;
  if (
    manifest.databaseStrategy === "migrate" &&
    isGap &&
    hasStarted(manifest.id, server.service, observed)
  ) {
    recordTookWrites(directory, manifest.id);
  }
  if (pause !== undefined && manifest.databaseStrategy === "migrate")
    keepPauseToken(directory, manifest.id, pause.token);
  return pause;
}

function hasStarted(id: string, service: string, observed: PauseInput["observed"]): boolean {
  return observed.some(
    (one) =>
      one.service === service && one.labels[labels.release] === id && one.state !== "created",
  );
}

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

/** From a batch that is due to one that has arrived. */
const sendMs = 500;

/**
 * For how long a server without requests is left to send the spans of its last requests:
 * it sends them so often, and not once more when it stops (uvicorn ends by the signal).
 * @returns milliseconds, never more than it gets to stop
 */
export function flushSpansMs(server: Pick<StackService, "environment" | "graceSeconds">): number {
  return Math.min(batchDelayMs(server) + sendMs, server.graceSeconds * 1000);
}

/** Waits for that long, or until the run is aborted. */
export async function flushSpans(
  server: StackService,
  context: Pick<Context, "signal">,
): Promise<void> {
  await sleep(flushSpansMs(server), undefined, { signal: context.signal });
}
