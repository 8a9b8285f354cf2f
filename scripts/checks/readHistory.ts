import { existsSync } from "node:fs";
import { join } from "node:path";
import { readEvents, type Events } from "../state/events.ts";
import { lockHolder } from "../state/lockHolder.ts";
import { stateLock } from "../state/stateLock.ts";
import type { Settings } from "../settings/readSettings.ts";

/** The newest commands of an environment, the one that runs now among them. */
export async function readHistory(settings: Settings, limit: number): Promise<Events> {
  const directory = join(settings.stateDir, settings.environment);
  if (!existsSync(directory)) return { events: [], damaged: 0 };
  const holder = await lockHolder(stateLock(directory));
  return readEvents(directory, limit, holder !== undefined);
}
