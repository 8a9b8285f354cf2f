import { hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./writeFile.ts";

/** One line of the journal: an intent before an act, its outcome after. */
export interface Entry {
  readonly at: string;
  /** The same for all lines of one run of a command. */
  readonly run: string;
  /** Such as "deploy:prod". */
  readonly command: string;
  /** Empty for the command itself: its first and its last line. */
  readonly step: string;
  readonly event: "begin" | "done" | "failed";
  readonly detail?: string;
  /** Who asked for it: "user@host". */
  readonly by?: string;
  readonly reason?: string;
  /** The release it makes. */
  readonly release?: string;
  /** The release that was good before it. */
  readonly from?: string;
  readonly seconds?: number;
  /** What became of the database; see `Release`. */
  readonly databaseStrategy?: string;
  readonly message?: string;
}

const newline = "\n".charCodeAt(0);

/**
 * Appends a line and waits for the disk. A line that was torn before it is ended first; what
 * is damaged further up stays as it is, and those who read pass it over.
 */
export function appendEntry(directory: string, entry: Entry): void {
  const path = join(directory, "journal.jsonl");
  const file = openSync(path, "a+", 0o600);
  try {
    const { size } = fstatSync(file);
    const last = Buffer.alloc(1);
    const torn = size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== newline;
    const text = JSON.stringify(entry);
    writeFileSync(file, `${torn ? "\n" : ""}${text.slice(0, -1)}${ending(text)}\n`);
    fsyncSync(file);
    if (size === 0) syncFolder(directory);
  } finally {
    closeSync(file);
  }
}

/** The journal's lines, oldest first; a line whose checksum fails (a torn write) is left out. */
export function readJournal(directory: string): Entry[] {
  const path = join(directory, "journal.jsonl");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.map(readEntry).filter((entry) => entry !== undefined);
}

/** What a line says; undefined where it is not what was once written. */
export function readEntry(line: string): Entry | undefined {
  const at = line.lastIndexOf(',"sum":"');
  if (at < 1 || line.slice(at) !== ending(`${line.slice(0, at)}}`)) return undefined;
  return JSON.parse(`${line.slice(0, at)}}`) as Entry;
}

/** Ends an entry's text with its checksum. */
function ending(text: string): string {
  return `,"sum":"${hash("sha256", text).slice(0, 8)}"}`;
}

const chunkBytes = 64 * 1024;

/**
 * The journal's lines, newest first, read from the file's end as far as they are asked for:
 * the last ones cost the same however long the file is.
 * @returns undefined in place of a line that is torn or damaged
 */
export function journalBackwards(directory: string): IteratorObject<Entry | undefined> {
  return linesBackwards(join(directory, "journal.jsonl"))
    .filter((line) => line !== "")
    .map((line) => readEntry(line));
}

function* linesBackwards(path: string): Generator<string> {
  if (!existsSync(path)) return;
  const file = openSync(path, "r");
  try {
    // The pieces of a line whose beginning was not read yet, last one first.
    let pieces: Buffer[] = [];
    for (let end = fstatSync(file).size; end > 0;) {
      const start = Math.max(0, end - chunkBytes);
      const chunk = Buffer.alloc(end - start);
      readSync(file, chunk, 0, chunk.length, start);
      let until = chunk.length;
      while (until > 0) {
        const at = chunk.lastIndexOf(newline, until - 1);
        if (at < 0) break;
        yield joined([...pieces, chunk.subarray(at + 1, until)]);
        pieces = [];
        until = at;
      }
      pieces.push(chunk.subarray(0, until));
      end = start;
    }
    yield joined(pieces);
  } finally {
    closeSync(file);
  }
}

function joined(pieces: readonly Buffer[]): string {
  return Buffer.concat(pieces.toReversed()).toString("utf8");
}

/** One run of a command, as `history` tells it. */
interface Event {
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
