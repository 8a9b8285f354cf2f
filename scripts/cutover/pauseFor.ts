import type { ObservedContainer } from "../engine/engine.ts";
import { letIn } from "../ledger/letIn.ts";
import { keepPauseToken, pauseTokenOf } from "../ledger/pauseToken.ts";
import type { Release } from "../ledger/release.ts";
import { labels, type Stack } from "../stack/renderStack.ts";
import type { Door, Pause } from "./findDoor.ts";

export interface PauseInput {
  /** The release that is activated, or that failed and is rolled back. */
  readonly sheet: Pick<Release, "id" | "way">;
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
 * that is written down (`letIn`), so no rollback replaces it by its snapshot.
 * @param door undefined where no proxy runs, which counts as a pause that has ended
 * @throws Problem STEP_FAILED where the proxy cannot be told
 */
export async function pauseFor(
  { sheet, directory, server, observed, seconds }: PauseInput,
  door: Door | undefined,
): Promise<Pause | undefined> {
  const known = pauseTokenOf(directory, sheet.id);
  const pause = await door?.pause(seconds);
  const isGap = known !== undefined && pause?.replaced !== known;
  if (sheet.way === "migrate" && isGap && hasStarted(sheet.id, server.service, observed)) {
    letIn(directory, sheet.id);
  }
  if (pause !== undefined && sheet.way === "migrate")
    keepPauseToken(directory, sheet.id, pause.token);
  return pause;
}

function hasStarted(id: string, service: string, observed: PauseInput["observed"]): boolean {
  return observed.some(
    (one) =>
      one.service === service && one.labels[labels.release] === id && one.state !== "created",
  );
}
