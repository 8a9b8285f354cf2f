import { Problem } from "../common/problem.ts";
import type { Holder } from "./readHolder.ts";

/** The refusal of a second run: who is at work, from where, since when, doing what. */
export function lockedBy(
  { command, user, host, pid, since }: Holder,
  { details, next }: { readonly details: readonly string[]; readonly next: string },
): Problem {
  const who = `${command} of ${user} holds the lock since ${since} (pid ${pid} on ${host})`;
  return new Problem("LOCKED", who, { details, next });
}
