import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One line of the journal: an intent before an act, its outcome after. */
export interface Entry {
  readonly at: string;
  readonly run: string;
  readonly command: string;
  readonly step: string;
  readonly event: "begin" | "done" | "failed";
  readonly detail?: string;
}

/** Appends a line and waits for the disk. A line that was torn before it is ended first. */
export function appendEntry(directory: string, entry: Entry): void {
  const text = JSON.stringify(entry);
  const path = join(directory, "journal.jsonl");
  const torn = existsSync(path) && !/(^|\n)$/.test(readFileSync(path, "utf8"));
  const file = openSync(path, "a", 0o600);
  writeFileSync(file, `${torn ? "\n" : ""}${JSON.stringify({ ...entry, sum: checksum(text) })}\n`);
  fsyncSync(file);
  closeSync(file);
}

/** The journal's lines, oldest first; a line whose checksum fails (a torn write) is left out. */
export function readJournal(directory: string): Entry[] {
  const path = join(directory, "journal.jsonl");
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      const read = parsed(line);
      if (!read) return [];
      const { sum, ...entry } = read;
      return sum === checksum(JSON.stringify(entry)) ? [entry] : [];
    });
}

function parsed(line: string): (Entry & { sum: string }) | null | undefined {
  try {
    return JSON.parse(line) as (Entry & { sum: string }) | null;
  } catch {
    return undefined;
  }
}

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
