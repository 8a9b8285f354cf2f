import type { ObservedContainer } from "../docker/engine.ts";
import { recordTookWrites } from "../state/tookWrites.ts";
import { keepPauseToken, pauseTokenOf } from "../state/pauseToken.ts";
import type { Release } from "../state/release.ts";
import { labels, type Stack } from "../stack/renderStack.ts";
import type { ProxyControl, Pause } from "./proxyControl.ts";

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
