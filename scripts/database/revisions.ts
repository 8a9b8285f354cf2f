import { Problem } from "../common/problem.ts";
import type { Database } from "./sql.ts";

/** SQLSTATE of a table that does not exist: a database no migration has seen yet. */
const undefinedTable = "42P01";

/**
 * The revisions that a database says it is at; none for one that was never migrated.
 * @param query the role's own, see x-app in compose/server.yaml
 * @throws Problem DATABASE_REFUSED where it does not answer
 */
export async function revision(database: Database, query: string): Promise<string[]> {
  const { rows, state, message } = await database.ask(query);
  if (state === undefinedTable) return [];
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", "the database does not tell its schema's revision", {
      details: [message],
    });
  }
  return rows.map((row) => row[0] ?? "");
}

/** Whether two lists name the same revisions, in whatever order. */
export function sameRevisions(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join(" ") === [...other].sort().join(" ");
}

/** One migration of a server's image. */
export interface Revision {
  readonly id: string;
  /** Those it builds on: one, none for the first, several for a merge. */
  readonly down: readonly string[];
  readonly title: string;
}

/** All migrations of an image, in any order. */
export type History = readonly Revision[];

/** Reads what the role's `history` command printed: revision, those before it, title; tabs between. */
export function parseHistory(text: string): History {
  return text
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => {
      const [id = "", down = "", title = ""] = line.split("\t");
      return { id, down: down.split(",").filter(Boolean), title };
    });
}

/** The revisions that nothing builds on: where `upgrade head` leads. */
export function headsOf(history: History): string[] {
  const below = new Set(history.flatMap((one) => one.down));
  return history
    .map((one) => one.id)
    .filter((id) => !below.has(id))
    .sort();
}

/** Everything that these revisions build on, themselves included. */
export function ancestorsOf(history: History, ids: readonly string[]): Set<string> {
  const found = new Set<string>();
  const byId = new Map(history.map((one) => [one.id, one]));
  const waiting = [...ids];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const revision = byId.get(id);
    if (revision === undefined || found.has(id)) continue;
    found.add(id);
    waiting.push(...revision.down);
  }
  return found;
}

/** What lies between a database at `from` and one at `to`, oldest first. */
export function between(
  history: History,
  from: readonly string[],
  to: readonly string[],
): Revision[] {
  const done = ancestorsOf(history, from);
  const upTo = ancestorsOf(history, to);
  const requested = history.filter((one) => upTo.has(one.id) && !done.has(one.id));
  const ordered: Revision[] = [];
  const waiting = new Map(requested.map((one) => [one.id, one]));
  while (waiting.size > 0) {
    const ready = [...waiting.values()]
      .filter((one) => one.down.every((id) => !waiting.has(id)))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    if (ready.length === 0) break; // goes round: not a history
    for (const one of ready) waiting.delete(one.id);
    ordered.push(...ready);
  }
  return ordered;
}
