import { copyDatabase } from "../../database/makeDatabase.ts";
import { restoreDump } from "../../database/restoreDump.ts";
import { playTarget } from "../playTarget.ts";
import { restoreProgress } from "../takeBackup.ts";
import { type DatabaseStrategyPlan, dumpOf, nameOf, swapIn } from "./databaseStrategy.ts";

/** The backup from before the migration; rows written since are only in the retained database. */
export const restore: DatabaseStrategyPlan = {
  async prepare(run) {
    const { rollout, session, server, marks } = run;
    const { context } = session;
    const [scratch, incoming] = [marks("rehearsal"), marks("incoming")];
    const file = dumpOf(run);
    await context.reporter.step(
      `restore backup ${file.manifest.id} into a new database`,
      (report) =>
        restoreDump(
          server,
          { ...file, onBytes: restoreProgress(file.manifest, report) },
          incoming,
          context.signal,
        ),
    );
    await context.reporter.step("rehearse: copy the restored database", () =>
      copyDatabase(server, nameOf(run, incoming), scratch, context.signal),
    );
    await playTarget(rollout, scratch, session);
    const backup = await run.backUp();
    return { backup: backup.id, verifications: [], rehearsal: null };
  },
  apply: (run, _, context) => swapIn(run, context),
};
