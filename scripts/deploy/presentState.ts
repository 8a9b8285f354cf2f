import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../state/releases.ts";
import { ensureDatabase } from "./ensureDatabase.ts";
import { pastTarget, type Target } from "./target.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Session } from "./session.ts";
import { currentState, type CurrentState } from "./currentState.ts";

/**
 * The release that serves, with its database running.
 * @throws Problem NOTHING_RUNS
 */
export async function presentState(
  settings: Settings,
  { directory, context }: Pick<Session, "directory" | "context">,
): Promise<{ target: Target; seen: CurrentState }> {
  const present = newestGood(directory);
  if (present === undefined) {
    throw new Problem("NOTHING_RUNS", `${settings.environment} has no good release`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const observed = await context.engine.containers(settings.project);
  const preparation = { id: present.id, directory, observed, secretKey: undefined, keeps: true };
  const own = { ...present, restores: present.id };
  const target = await pastTarget(settings, own, preparation, context);
  const { stack } = target.prepared;
  const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const file = join(directory, "releases", present.id, "compose.yaml");
  await ensureDatabase(settings, stack, file, image, context);
  const seen = await currentState(settings, directory, stack.server, image, context);
  if (seen.database !== undefined) return { target, seen };
  throw new Problem("NOTHING_RUNS", `the database of ${settings.environment} does not run`, {
    next: bringUpCommand(settings.environment),
  });
}
