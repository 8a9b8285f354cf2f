import { marksOf, type Mark, type MarkingRun, type Purpose } from "../database/marks.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import type { Session } from "./session.ts";

/** The marks of a run's databases, by purpose. */
export type RunMarks = (purpose: Purpose) => Mark;

/** The marks that a run of this installation gives, and knows its databases by. */
export function runMarks(
  { directory, context }: Pick<Session, "directory" | "context">,
  run: MarkingRun,
): RunMarks {
  return marksOf(installationId(secretKey(directory, context.randomBytes)), run);
}
