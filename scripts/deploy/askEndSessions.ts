import { serverAddresses } from "./databaseOf.ts";
import { Problem } from "../common/problem.ts";
import { otherSessions, sessionText, unendable } from "../database/sessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Decision } from "./decide.ts";

/** Whether a rollout copies or renames the live database, for which no other session may be on it. */
export function needsDatabaseAlone({
  schema: { action, revision = [], attempts },
  mayCopy,
}: Pick<Decision, "schema" | "mayCopy">): boolean {
  if (!mayCopy) return false;
  if (action === "migrate") return revision.length > 0;
  return attempts.some((one) => one !== "keep");
}

/** Sessions of others on the live database, for people. */
export interface SessionsNow {
  /** What a run may end. */
  readonly others: readonly string[];
  /** What no run can end, each with its cure. */
  readonly blockers: readonly string[];
}

/** Reads only. @throws Problem DATABASE_REFUSED */
export async function observeSessions(
  database: DatabaseServer,
  stack: Stack,
  context: Context,
): Promise<SessionsNow> {
  const containers = await context.engine.containers(stack.project);
  const others = await otherSessions(database, serverAddresses(stack, containers));
  return { others: others.sessions.map(sessionText), blockers: unendable(others) };
}

/**
 * Names the sessions of others on a database that a rollout needs alone for a moment, and asks
 * whether they may be ended. `--yes` does not answer that: who gave it has not seen them.
 * @param mayEnd whether `--end-sessions` was given
 * @returns whether they may be
 * @throws Problem DATABASE_REFUSED where something is on it that no run can end; CONFIRMATION_NEEDED
 *   without a terminal and without the flag, DECLINED
 */
export async function askEndSessions(
  database: DatabaseServer,
  stack: Stack,
  mayEnd: boolean,
  context: Context,
): Promise<boolean> {
  const { others: lines, blockers } = await observeSessions(database, stack, context);
  const { name } = database;
  if (blockers.length > 0) {
    throw new Problem(
      "DATABASE_REFUSED",
      `${name} must be copied or renamed, and ${blockers.length} thing${blockers.length === 1 ? "" : "s"} on it would keep Postgres from that`,
      { details: blockers, next: "the same command again, once that is done" },
    );
  }
  if (lines.length === 0) return mayEnd;
  if (mayEnd) {
    context.reporter.note(`sessions on ${name} will be ended while requests are paused:`);
    lines.forEach((line) => context.reporter.note(`  ${line}`));
    return true;
  }
  const question = `End ${lines.length} sessions of others on ${name} while requests are paused?`;
  await context.reporter.confirm(question, lines, "--end-sessions");
  return true;
}
