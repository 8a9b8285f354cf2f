import { copyIntoSchema } from "../../database/copyIntoSchema.ts";
import type { Mark } from "../../database/databaseNames.ts";
import type { Context } from "../../state/context.ts";
import { repair, repairsOf } from "../repairs.ts";
import { playTarget } from "../playTarget.ts";
import {
  type DatabaseRun,
  type DatabaseStrategyPlan,
  dumpOf,
  nameOf,
  swapIn,
} from "./databaseStrategy.ts";

/** A new database: the old schema from the backup, and every row of now that it has a place for. */
export const copy: DatabaseStrategyPlan = {
  async prepare(run) {
    const { rollout, session, marks } = run;
    const { context } = session;
    const report = await context.reporter.step(
      `rehearse: copy rows into the schema of backup ${run.source!.id}`,
      (report) => copyRows(run, marks("rehearsal"), context, report),
      ({ copied }) => `${Object.values(copied).reduce((sum, rows) => sum + rows, 0)} rows`,
    );
    for (const one of report.noPlace.filter((place) => place.rows > 0)) {
      const what = one.column === undefined ? one.table : `${one.table}.${one.column}`;
      context.reporter.note(`no place for ${what}: ${one.rows} ${one.column ? "values" : "rows"}`);
    }
    await playTarget(rollout, marks("rehearsal"), session);
    return { backup: null, verifications: [], rehearsal: null };
  },
  async apply(run, _, context) {
    await context.reporter.step("copy rows", (report) =>
      copyRows(run, run.marks("incoming"), context, report),
    );
    await swapIn(run, context);
  },
};

async function copyRows(
  run: DatabaseRun,
  mark: Mark,
  { signal }: Context,
  report: (text: string) => void,
) {
  const { rollout, server } = run;
  const onBytes = (copied: number) => report(`${(copied / 1e6).toFixed(0)} MB of rows`);
  const { fromDump } = rollout;
  const dump = dumpOf(run);
  const copied = await copyIntoSchema(server, {
    from: server.name,
    dump,
    mark,
    fromDump,
    onBytes,
    signal,
  });
  await repair(server.database(nameOf(run, mark)), await repairsOf(rollout), true);
  return copied;
}
