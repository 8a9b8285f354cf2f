import { Problem } from "../common/problem.ts";
import type { Context } from "../state/context.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { SecretsPlace } from "../settings/openSecretsFile.ts";
import type { Settings } from "../settings/readSettings.ts";
import { recover } from "./recover.ts";
import { session } from "./session.ts";
import { changePassword } from "./changePassword.ts";

/**
 * Rotates the password of the bundled database, under the lock and in the journal. The parts
 * that use it run with the old one until they are made anew.
 * @param settings with the password of before
 * @param wait whether to wait for another run to end
 * @throws Problem NOTHING_RUNS, LOCKED; what `changePassword` throws
 */
export function rotatePassword(
  settings: Settings,
  place: SecretsPlace,
  wait: boolean,
  context: Context,
): Promise<object> {
  const input = { command: "rotate", reason: "LETTA_PG_PASSWORD", wait };
  return session(settings, input, context, async (begun) => {
    await recover(settings, begun);
    const container = await running(settings, begun.context);
    await begun.context.reporter.step("rotate the database's password", () =>
      changePassword(settings, container, place, begun.context),
    );
    return {};
  });
}

/** @returns the database's container @throws Problem NOTHING_RUNS where it does not run */
async function running(settings: Settings, context: Context): Promise<string> {
  const containers = await context.engine.containers(settings.project);
  const found = containers.find((one) => one.service === "postgres");
  if (found?.state === "running") return found.id;
  const got = found?.state ?? "no container";
  throw new Problem("NOTHING_RUNS", `postgres: expected it to run, got ${got}`, {
    next: found ? `docker start ${found.name}` : bringUpCommand(settings.environment),
  });
}
