import { openDoor } from "../cutover/openDoor.ts";
import { databaseOfRun, databases } from "../database/databases.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { revision } from "../database/revision.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import type { Tools } from "../parts/tools.ts";
import { waitFor } from "../parts/waitFor.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { RunMarks } from "./runMarks.ts";
import type { Situation } from "./situation.ts";

export interface Interrupted {
  /** What was there before anything was begun. */
  readonly before: Situation;
  readonly settings: Settings;
  /** The stack that was to come: its parts are waited for as it says. */
  readonly stack: Stack;
  /** Of the run that failed. */
  readonly marks: RunMarks;
}

/**
 * Starts again what was only stopped so far. For a way back that cannot be taken, as what it needs
 * and what it writes is on a disk that does not answer any more: nothing is read or written there.
 * @returns whether all that ran before runs again; false with nothing done where a part was
 *   made anew meanwhile, the migration's too, or the database is not the one it was
 */
export async function startStopped(
  { before, settings, stack, marks }: Interrupted,
  tools: Tools,
): Promise<boolean> {
  const { observed, database, present } = before;
  if (present === undefined || database === undefined) return false;
  const now = await tools.engine.containers(settings.project);
  const stateOf = (container: string) => now.find((one) => one.id === container)?.state;
  const areThose = observed.every((one) => stateOf(one.id) !== undefined);
  if (!areThose || now.length !== observed.length) return false;
  const isSwapped = databaseOfRun(await databases(database), marks("live")) !== undefined;
  if (isSwapped) return false;
  const at = await revision(database.database(), stack.server.revisionQuery);
  if (!sameRevisions(at, before.revision ?? [])) return false;
  // What is written from now on would not be in a copy: nobody may come back to that.
  await clearScratch(database, marks("live").installation);
  for (const service of stack.services) {
    const limit = Number(settings.get("SERVER_WAIT_SECONDS"));
    const ran = observed.filter((one) => one.service === service.name && one.state === "running");
    for (const one of ran.filter(({ id: container }) => stateOf(container) !== "running")) {
      const stopped = await tools.engine.inspect(one.id);
      await tools.engine.start(one.id);
      await waitFor(service, stopped, limit, tools, undefined);
    }
  }
  await openDoor(settings, tools);
  return true;
}
