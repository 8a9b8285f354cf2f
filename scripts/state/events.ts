import type { Entry } from "./journal.ts";
import { journalBackwards } from "./journalBackwards.ts";

/** One run of a command, as `history` tells it. */
export interface Event {
  readonly command: string;
  readonly environment: string | null;
  readonly by: string | null;
  readonly reason: string | null;
  readonly release: string | null;
  readonly from: string | null;
  /** When it began. */
  readonly at: string;
  readonly seconds: number | null;
  readonly outcome: "done" | "failed" | "interrupted" | "running";
  readonly message: string | null;
  readonly databaseStrategy: string | null;
}

export interface Events {
  /** Newest first. */
  readonly events: readonly Event[];
  /** Lines among those read that were torn or damaged, and passed over. */
  readonly damaged: number;
}

/**
 * The newest commands of an environment. They hold the lock, so one's lines do not lie among
 * another's; what began and has no end was interrupted. Reads no more of the journal than
 * that takes.
 * @param limit how many at most
 * @param held whether the lock is held now: then the last one that began still runs
 */
export function readEvents(directory: string, limit: number, held: boolean): Events {
  const events: Event[] = [];
  /** Ends whose beginning is not read yet, by run and command, and their place in `events`. */
  const ends = new Map<string, { readonly place: number; readonly end: Entry }>();
  let damaged = 0;
  for (const entry of limit > 0 ? journalBackwards(directory) : []) {
    if (entry === undefined) damaged += 1;
    if (entry?.step !== "") continue;
    const key = `${entry.command} ${entry.run}`;
    const known = ends.get(key);
    if (entry.event !== "begin") {
      ends.set(key, { place: events.length, end: entry });
      events.push(ended(entry, undefined));
    } else if (known) {
      ends.delete(key);
      events[known.place] = ended(known.end, entry);
    } else {
      const runs = held && events.length === 0;
      events.push({ ...reported(entry), seconds: null, outcome: runs ? "running" : "interrupted" });
    }
    // An end whose beginning was damaged is not sought for ever.
    const missing = [...ends.values()].some((one) => one.place < limit);
    if (events.length >= (missing ? limit * 2 : limit)) break;
  }
  return { events: events.slice(0, limit), damaged };
}

/** A command's end knows how it went; why and by whom stands at its beginning. */
function ended(end: Entry, begin: Entry | undefined): Event {
  const from = Date.parse(begin?.at ?? end.at);
  const seconds = end.seconds ?? (begin ? Math.max(0, Date.parse(end.at) - from) / 1000 : null);
  const at = begin?.at ?? new Date(from - (seconds ?? 0) * 1000).toISOString();
  const outcome = end.event === "failed" ? "failed" : "done";
  return { ...reported({ ...begin, ...end }), at, seconds, outcome };
}

function reported(entry: Entry): Omit<Event, "seconds" | "outcome"> {
  const [command = "", environment = null] = entry.command.split(":");
  const { by, reason, release, from, at, message, detail, databaseStrategy } = entry;
  return {
    command,
    environment,
    by: by ?? null,
    reason: reason ?? null,
    release: release ?? null,
    from: from ?? null,
    at,
    message: message ?? detail ?? null,
    databaseStrategy: databaseStrategy ?? null,
  };
}
