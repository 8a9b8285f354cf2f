import { marksOf, type Mark, type MarkingRun, type Purpose } from "../database/marks.ts";
import { installationId, secretKey } from "../ledger/secretKey.ts";
import type { Session } from "./session.ts";

/** The marks of a run's databases, by purpose. */
export type RunMarks = (purpose: Purpose) => Mark;

/** The marks that a run of this installation gives, and knows its databases by. */
export function runMarks(
  { directory, tools }: Pick<Session, "directory" | "tools">,
  run: MarkingRun,
): RunMarks {
  return marksOf(installationId(secretKey(directory, tools.randomBytes)), run);
}
