import { Problem } from "../common/problem.ts";
import { databaseName } from "../database/databaseName.ts";
import type { Mark } from "../database/marks.ts";
import type { Rollout } from "./carryOut.ts";
import { repair } from "./repairs.ts";
import { repairsOf } from "./repairsOf.ts";
import type { Session } from "./session.ts";
import { openStage } from "./stage.ts";

/**
 * Alembic's own downgrade of a copy, by the image that knows the present revision.
 * @param copy marks it
 * @throws Problem ROLLBACK_UNSAFE where none does, REHEARSAL_FAILED where it fails
 */
export async function downgradeCopy(rollout: Rollout, copy: Mark, session: Session): Promise<void> {
  const { knower, situation, settings, schema } = rollout;
  const server = situation.database!;
  const database = databaseName(server.name, copy);
  const [revision] = schema.heads;
  if (knower === undefined || revision === undefined || schema.heads.length > 1) {
    throw new Problem("ROLLBACK_UNSAFE", "no image at hand can downgrade the database to one head");
  }
  const stack = structuredClone(knower.stack);
  const services = stack.model["services"] as Record<string, Record<string, unknown>>;
  const [program, ...rest] = stack.server.downgrade;
  services[stack.server.migrate]!["entrypoint"] = [program];
  services[stack.server.migrate]!["command"] = [...rest, revision];
  const actors = new Map([["knower", { ...knower, stack }]]);
  const where = { settings, directory: session.directory };
  const stage = await openStage(actors, { server, database }, where, session.tools);
  try {
    await stage.migrate("knower");
    await repair(server.database(database), await repairsOf(rollout), true);
  } finally {
    await stage.close();
  }
}
