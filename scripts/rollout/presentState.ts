import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../ledger/releases.ts";
import { readyDatabase } from "../parts/readyDatabase.ts";
import { pastTarget, type Target } from "../preparation/target.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Session } from "./session.ts";
import { situation, type Situation } from "./situation.ts";

/**
 * The release that serves, with its database running.
 * @throws Problem NOTHING_RUNS
 */
export async function presentState(
  settings: Settings,
  { directory, tools }: Pick<Session, "directory" | "tools">,
): Promise<{ target: Target; seen: Situation }> {
  const present = newestGood(directory);
  if (present === undefined) {
    throw new Problem("NOTHING_RUNS", `${settings.environment} has no good release`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const observed = await tools.engine.containers(settings.project);
  const making = { id: present.id, directory, observed, secretKey: undefined, keeps: true };
  const own = { ...present, restores: present.id };
  const target = await pastTarget(settings, own, making, tools);
  const { stack } = target.prepared;
  const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const file = join(directory, "releases", present.id, "compose.yaml");
  await readyDatabase(settings, stack, file, image, tools);
  const seen = await situation(settings, directory, stack.server, image, tools);
  if (seen.database !== undefined) return { target, seen };
  throw new Problem("NOTHING_RUNS", `the database of ${settings.environment} does not run`, {
    next: bringUpCommand(settings.environment),
  });
}
