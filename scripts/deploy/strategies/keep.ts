import { repair, repairsOf } from "../repairs.ts";
import { playTarget } from "../playTarget.ts";
import { type DatabaseStrategyPlan, nameOf } from "./databaseStrategy.ts";

/** The present database stays: the target's server on the newer schema, after the role's repairs. */
export const keep: DatabaseStrategyPlan = {
  async prepare(run) {
    const { rollout, session, server, marks } = run;
    const backup = await run.backUp();
    // Nothing of the database changes: a server that fails on it makes space for the present one again.
    if (!rollout.mayRestore) return { backup: backup.id, verifications: [], rehearsal: null };
    const scratch = marks("rehearsal");
    await repair(server.database(nameOf(run, scratch)), await repairsOf(rollout));
    const verification = await playTarget(rollout, scratch, session);
    return { backup: backup.id, verifications: [verification], rehearsal: null };
  },
  async apply({ rollout, server }, _, { reporter }) {
    const repairs = await repairsOf(rollout);
    if (repairs.length === 0) return;
    await reporter.step(`repair: ${repairs.map((one) => one.description).join(", ")}`, () =>
      repair(server.database(), repairs),
    );
  },
};
