import { isUtf8 } from "node:buffer";
import { parse } from "dotenv";
import { readStatement } from "./readStatement.ts";

export interface Assignment {
  readonly name: string;
  readonly value: string;
  readonly file: string;
  readonly line: number;
}

/** Something unusable and its place; line 0 is the file as a whole. The text holds no value. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** The setting, where the fault is only that it is not set yet. */
  readonly missing?: string;
}

const largestFile = 1024 * 1024;
/** Linux hands a process no longer "NAME=value" than this, its end mark included. */
const largestEntry = 128 * 1024;
/** dotenv's time grows with the square of a run of blank lines. */
const mostLines = 10_000;

/**
 * Reads an env file strictly: accepted is what dotenv and Docker Compose read alike,
 * byte for byte; all else is a fault with its line and what to write instead. Without
 * faults, dotenv itself has read the same file and found the same values.
 * @param source the file's bytes, or its text
 * @param file its name, as assignments and faults are to show it
 */
export function parseEnvFile(
  source: string | Buffer,
  file: string,
): { assignments: Assignment[]; faults: Fault[] } {
  const unreadable = checkBytes(source, file);
  if (unreadable.length > 0) return { assignments: [], faults: unreadable };
  const text = source.toString().replace(/^\ufeff/u, "");
  const lines = text.split("\n");
  const assignments: Assignment[] = [];
  const faults: Fault[] = [];
  const first = new Map<string, number>();
  for (let at = 0; at < lines.length;) {
    const statement = readStatement(lines, at);
    const line = at + 1;
    at = statement.next;
    if (statement.kind === "nothing") continue;
    if (statement.kind === "fault") {
      const prefix = statement.name ? `${statement.name}: ` : "";
      faults.push({ file, line, text: prefix + statement.text });
      continue;
    }
    const { name, value } = statement;
    const earlier = first.get(name);
    if (earlier !== undefined) {
      const got = `a second one (the first is on line ${earlier})`;
      faults.push({ file, line, text: `${name}: expected one assignment, got ${got}` });
    } else if (Buffer.byteLength(`${name}=${value}\0`) > largestEntry) {
      faults.push({ file, line, text: `${name}: expected at most 128 KiB, got a longer value` });
    }
    first.set(name, earlier ?? line);
    assignments.push({ name, value, file, line });
  }
  return { assignments, faults: faults.length > 0 ? faults : crossCheck(text, assignments, file) };
}

/** What is wrong with the file before any of it can be read. */
function checkBytes(source: string | Buffer, file: string): Fault[] {
  const bytes = Buffer.from(source);
  if (typeof source === "string" && !source.isWellFormed()) {
    return [{ file, line: 0, text: "expected text that UTF-8 can hold, got half a character" }];
  }
  if (bytes.length > largestFile) {
    return [{ file, line: 0, text: `expected at most 1 MiB, got ${bytes.length} bytes` }];
  }
  const faults: Fault[] = [];
  let line = 0;
  for (let from = 0; from <= bytes.length;) {
    const feed = bytes.indexOf(10, from);
    const to = feed < 0 ? bytes.length : feed;
    const part = bytes.subarray(from, to);
    line += 1;
    from = to + 1;
    if (part.includes(0)) faults.push({ file, line, text: "expected text, got a NUL byte" });
    if (!isUtf8(part)) faults.push({ file, line, text: "expected UTF-8, got other bytes" });
  }
  if (line > mostLines) {
    faults.push({ file, line: 0, text: `expected at most ${mostLines} lines, got ${line}` });
  }
  return faults;
}

/** A second opinion: a difference from dotenv means that our reading cannot be trusted. */
function crossCheck(text: string, assignments: readonly Assignment[], file: string): Fault[] {
  const found = new Map(Object.entries(parse(text)));
  const faults: Fault[] = [];
  for (const { name, value, line } of assignments) {
    if (found.get(name) !== value) {
      const expected = "expected a value that dotenv and Docker Compose read alike";
      faults.push({ file, line, text: `${name}: ${expected}, got one they read differently` });
    }
    found.delete(name);
  }
  if (found.size > 0) {
    faults.push({ file, line: 0, text: "expected one reading, got a name that only dotenv sees" });
  }
  return faults;
}
