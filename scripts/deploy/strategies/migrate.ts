import { copyDatabase } from "../../database/makeDatabase.ts";
import { readSchema } from "../../database/schema.ts";
import { endedText } from "../../database/sessions.ts";
import { keepSchemaBefore } from "../../state/backups.ts";
import { takesSnapshot } from "../confirmLongPause.ts";
import { plannedStrategy } from "../decide.ts";
import { rehearse } from "../rehearse.ts";
import type { DatabaseStrategyPlan } from "./databaseStrategy.ts";

/** The live database is migrated by the server's own migration step; after a snapshot for the rollback. */
export const migrate: DatabaseStrategyPlan = {
  async prepare({ rollout, session, server, marks, backUp }) {
    const { target, settings, previous } = rollout;
    const backup = (await backUp()).id;
    if (!rollout.mayRestore) return { backup, verifications: [], rehearsal: null };
    const testsCompatibility = plannedStrategy(target, rollout, true).strategy === "blue-green";
    const rehearsal = await rehearse(
      {
        directory: session.directory,
        settings,
        server,
        scratch: marks("rehearsal"),
        candidate: { stack: target.prepared.stack, settings: target.settings },
        previous,
        testsCompatibility,
      },
      session.context,
    );
    const verifications = rehearsal.rollbackCheck ? [rehearsal.rollbackCheck] : [];
    return { backup, verifications, rehearsal };
  },
  async apply({ rollout, session, server: now, marks }, { rehearsal }, context, oldServerStays) {
    // A template needs no right to create its extensions, as a dump does.
    const isTaken = rehearsal === null ? rollout.mayCopy : takesSnapshot(rehearsal, oldServerStays);
    if (isTaken) {
      await context.reporter.step(
        "snapshot database",
        () => copyDatabase(now, now.name, marks("snapshot"), context.signal),
        endedText,
      );
    } else if (rehearsal !== null) {
      context.reporter.note(
        `no snapshot: it would take ${rehearsal.copySeconds.toFixed(0)} s, and the old server stays`,
      );
    }
    keepSchemaBefore(session.directory, rollout.id, await readSchema(now.database()));
  },
};
