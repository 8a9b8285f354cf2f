import { revision } from "../database/revision.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { openDoor } from "./openDoor.ts";
import type { Situation } from "./situation.ts";
import type { Tools } from "./tools.ts";
import { waitFor } from "./waitFor.ts";

export interface Interrupted {
  /** What was there before anything was begun. */
  readonly before: Situation;
  readonly settings: Settings;
  /** The stack that was to come: its parts are waited for as it says. */
  readonly stack: Stack;
}

/**
 * Starts again what was only stopped so far. For a way back that cannot be taken, as what it needs
 * and what it writes is on a disk that does not answer any more: nothing is read or written there.
 * @returns whether all that ran before runs again; false with nothing done where a part was
 *   replaced meanwhile or the database is not where it was
 */
export async function startStopped(
  { before, settings, stack }: Interrupted,
  tools: Tools,
): Promise<boolean> {
  const { observed, database, present } = before;
  if (present === undefined || database === undefined) return false;
  const now = await tools.engine.containers(settings.project);
  const ran = observed.filter((one) => one.state === "running");
  const stateOf = (id: string) => now.find((one) => one.id === id)?.state;
  if (ran.some((one) => stateOf(one.id) === undefined)) return false;
  const at = await revision(database.database(), stack.server.revisionQuery);
  if (!sameRevisions(at, before.revision ?? [])) return false;
  for (const service of stack.services) {
    const limit = Number(settings.get("SERVER_WAIT_SECONDS"));
    for (const { id } of ran.filter((one) => one.service === service.name)) {
      if (stateOf(id) === "running") continue;
      const stopped = await tools.engine.inspect(id);
      await tools.engine.start(id);
      await waitFor(service, stopped, limit, tools, undefined);
    }
  }
  await openDoor(settings, tools);
  return true;
}
