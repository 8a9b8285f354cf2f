import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { readEntry, type Entry } from "./journal.ts";

const chunkBytes = 64 * 1024;
const newline = "\n".charCodeAt(0);

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
