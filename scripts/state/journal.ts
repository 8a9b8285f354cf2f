import { hash } from "node:crypto";
import { closeSync, existsSync, fstatSync, fsyncSync, openSync } from "node:fs";
import { readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./syncFolder.ts";

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
