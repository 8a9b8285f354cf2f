import { Problem } from "../common/problem.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * A database that has stopped just when it was looked at is not one that is still to be made:
 * nothing of it would be backed up.
 * @throws Problem DATABASE_REFUSED
 */
export async function assertNotStopped(
  { project, environment }: Settings,
  context: Context,
): Promise<void> {
  const name = `${project}_database`;
  if (!(await context.engine.volumes(project)).includes(name)) return;
  throw new Problem(
    "DATABASE_REFUSED",
    "the database ran a moment ago and does not now, nothing was touched",
    {
      details: [`expected Postgres to run on ${name}; its container says why it ended`],
      next: `npm run logs -- ${environment} postgres`,
    },
  );
}
