import { Problem } from "../../common/problem.ts";
import type { Mark } from "../../database/databaseNames.ts";
import { copyDatabase } from "../../database/makeDatabase.ts";
import { endedText } from "../../database/sessions.ts";
import type { Context } from "../../state/context.ts";
import { openRehearsalEnvironment } from "../rehearsalEnvironment.ts";
import { repair, repairsOf } from "../repairs.ts";
import { playTarget } from "../playTarget.ts";
import { type DatabaseRun, type DatabaseStrategyPlan, nameOf, swapIn } from "./databaseStrategy.ts";

/** A copy after the migrations' own downgrade; what that drops is only in the retained database. */
export const downgrade: DatabaseStrategyPlan = {
  async prepare(run) {
    const { rollout, session, marks } = run;
    const { context } = session;
    const backup = await run.backUp();
    await context.reporter.step("rehearse: downgrade a copy", () =>
      downgradeCopy(run, marks("rehearsal"), context),
    );
    await playTarget(rollout, marks("rehearsal"), session);
    return { backup: backup.id, verifications: [], rehearsal: null };
  },
  async apply(run, _, context) {
    const { server, marks } = run;
    await context.reporter.step(
      "downgrade a copy",
      async () => {
        const ended = await copyDatabase(server, server.name, marks("incoming"), context.signal);
        await downgradeCopy(run, marks("incoming"), context);
        return ended;
      },
      endedText,
    );
    await swapIn(run, context);
  },
};

/**
 * Alembic's own downgrade of a copy, by the image that knows the present revision.
 * @param copy marks it
 * @throws Problem ROLLBACK_UNSAFE where none does, REHEARSAL_FAILED where it fails
 */
async function downgradeCopy(run: DatabaseRun, copy: Mark, context: Context): Promise<void> {
  const { rollout, session, server } = run;
  const { revisionOwner, settings, schema } = rollout;
  const database = nameOf(run, copy);
  const [revision] = schema.heads;
  if (revisionOwner === undefined || revision === undefined || schema.heads.length > 1) {
    throw new Problem("ROLLBACK_UNSAFE", "no image at hand can downgrade the database to one head");
  }
  const stack = structuredClone(revisionOwner.stack);
  const services = stack.model["services"] as Record<string, Record<string, unknown>>;
  const [program, ...rest] = stack.server.downgrade;
  services[stack.server.migrate]!["entrypoint"] = [program];
  services[stack.server.migrate]!["command"] = [...rest, revision];
  const rehearsedServers = new Map([["owner", { ...revisionOwner, stack }]]);
  const where = { settings, directory: session.directory };
  const rehearsalEnvironment = await openRehearsalEnvironment(
    rehearsedServers,
    { server, database },
    where,
    context,
  );
  try {
    await rehearsalEnvironment.migrate("owner");
    await repair(server.database(database), await repairsOf(rollout), true);
  } finally {
    await rehearsalEnvironment.close();
  }
}
