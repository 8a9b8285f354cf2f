import { durationMs } from "../common/durationMs.ts";
import { resumeRequests } from "./resumeRequests.ts";
import { databaseOfRun, databases } from "../database/databases.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { revision } from "../database/revision.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import type { Context } from "../state/context.ts";
import { waitFor } from "./waitFor.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { RunMarks } from "./runMarks.ts";
import type { CurrentState } from "./currentState.ts";

export interface Interrupted {
  /** What was there before anything was begun. */
  readonly before: CurrentState;
  readonly settings: Settings;
  /** The stack that was to come: its services are waited for as it says. */
  readonly stack: Stack;
  /** Of the run that failed. */
  readonly marks: RunMarks;
}

/**
 * Starts again what was only stopped so far. For a rollback that is impossible, as what it needs
 * and what it writes is on a disk that does not answer any more: nothing is read or written there.
 * @returns whether all that ran before runs again; false with nothing done where a service was
 *   made anew meanwhile, the migration's too, or the database is not the one it was
 */
export async function startStopped(
  { before, settings, stack, marks }: Interrupted,
  context: Context,
): Promise<boolean> {
  const { observed, database, present } = before;
  if (present === undefined || database === undefined) return false;
  const now = await context.engine.containers(settings.project);
  const stateOf = (container: string) => now.find((one) => one.id === container)?.state;
  const areThose = observed.every((one) => stateOf(one.id) !== undefined);
  if (!areThose || now.length !== observed.length) return false;
  const isSwapped = databaseOfRun(await databases(database), marks("live")) !== undefined;
  if (isSwapped) return false;
  const at = await revision(database.database(), stack.server.revisionQuery);
  if (!sameRevisions(at, before.revision ?? [])) return false;
  // What is written from now on would not be in a copy: no rollback may return to that.
  await clearScratch(database, marks("live").installation);
  for (const service of stack.services) {
    const limit = durationMs(settings.get("SERVER_TIMEOUT")) / 1000;
    const ran = observed.filter((one) => one.service === service.name && one.state === "running");
    for (const one of ran.filter(({ id: container }) => stateOf(container) !== "running")) {
      const stopped = await context.engine.inspect(one.id);
      await context.engine.start(one.id);
      await waitFor(service, stopped, limit, context, undefined);
    }
  }
  await resumeRequests(settings, context);
  return true;
}
