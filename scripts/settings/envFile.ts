import { isUtf8 } from "node:buffer";
import { parse } from "dotenv";
import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";

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

/** What one logical line of an env file says; `next` is the index of the line to go on with. */
type Statement =
  | { readonly kind: "nothing"; readonly next: number }
  | {
      readonly kind: "assignment";
      readonly name: string;
      readonly value: string;
      readonly next: number;
    }
  | {
      readonly kind: "fault";
      readonly name?: string;
      readonly text: string;
      readonly next: number;
    };

/** White space, line and paragraph separators that dotenv and Compose do not trim alike. */
const oddSpace = /[^\S \t]|[\u0085\ufeff]/u;
/** Where Compose expands outside quotes; any other $ stays a $ in both readers. */
const expands = /\$[a-z_{$]/iu;
const assignment = /^ *(?:export +)?([A-Za-z_][A-Za-z0-9_]*) *=(.*)$/su;

/**
 * Reads the statement that starts at `lines[at]`: only what dotenv and Docker Compose
 * understand alike. Everything else is a fault that says what to write instead and
 * describes what was found, without ever quoting a value.
 * @param lines the file split at line feeds; a carriage return before one is still there
 */
function readStatement(lines: readonly string[], at: number): Statement {
  const next = at + 1;
  const line = withoutReturn(lines[at] ?? "");
  if (/^[ \t]*(?:#|$)/u.test(line)) {
    return separated(line)
      ? { kind: "fault", text: "expected plain text in a comment, got a line separator", next }
      : { kind: "nothing", next };
  }
  const [, name = "", rest = ""] = assignment.exec(line) ?? [];
  if (!name || name === "export") return { kind: "fault", text: notAnAssignment(line), next };
  const quote = rest.trimStart()[0];
  if (quote === "'" || quote === '"') return quoted(name, rest, quote, lines, at);
  const fault = unquotedFault(rest);
  if (fault) return { kind: "fault", name, text: fault, next };
  return { kind: "assignment", name, value: beforeComment(rest), next };
}

function notAnAssignment(line: string): string {
  const before = line.split("=", 1)[0] ?? "";
  if (before.includes("\t")) return "expected spaces, got a tab outside quotes";
  if (oddSpace.test(before)) return "expected plain spaces, got other white space before the =";
  const [, name] = /^ *(?:export +)?([A-Za-z_][A-Za-z0-9_]*) *:/u.exec(before) ?? [];
  if (name) return `${name}: expected = after the name, got a colon`;
  if (!line.includes("=")) return "expected NAME=value or a # comment, got neither";
  if (/^ *$/u.test(before)) return "expected a name before the =, got none";
  if (/[^ ] +[^ ]/u.test(before.trim())) return "expected NAME=value, got a name with a space";
  return "expected a name of letters, digits and _ (no digit first), got other characters";
}

function unquotedFault(rest: string): string | undefined {
  const value = beforeComment(rest);
  const comment = rest.slice(rest.indexOf("#"));
  if (rest.includes("#") && separated(comment)) {
    return "expected plain text in a comment, got a line separator";
  }
  if (value.includes("\t"))
    return "expected spaces, or quotes around a tab, got a tab outside quotes";
  if (oddSpace.test(value)) {
    return "expected plain spaces, or quotes around other white space, got some outside quotes";
  }
  if (value.startsWith("`")) return "expected ' or \" as quotes, got backticks";
  if (value.startsWith("#")) {
    return 'expected quotes around a value that starts with # ("" for an empty one), got none';
  }
  if (value.includes("#")) {
    return "expected quotes around a value with #, or a space before a comment, got an unquoted #";
  }
  if (expands.test(value)) {
    return "expected single quotes around a value with $ (they keep it), got an unquoted $";
  }
  return undefined;
}

function quoted(
  name: string,
  rest: string,
  quote: string,
  lines: readonly string[],
  at: number,
): Statement {
  const fault = (text: string, next = at + 1): Statement => ({ kind: "fault", name, text, next });
  const opening = rest.indexOf(quote);
  if (oddSpace.test(rest.slice(0, opening)) || rest.slice(0, opening).includes("\t")) {
    return fault("expected plain spaces before the quote, got other white space");
  }
  let value = rest.slice(opening + 1);
  let last = at;
  let closing = value.indexOf(quote);
  const parts: string[] = [];
  while (closing < 0) {
    parts.push(value);
    if (lines[last]?.endsWith("\r")) parts.push("\r");
    last += 1;
    if (last >= lines.length) return fault(`expected a closing ${quote}, got the end of the file`);
    value = withoutReturn(lines[last] ?? "");
    closing = value.indexOf(quote);
    parts.push("\n");
  }
  parts.push(value.slice(0, closing));
  const after = value.slice(closing + 1);
  value = parts.join("");
  const next = last + 1;
  if (!/^ *(?:#|$)/u.test(after) || separated(after)) {
    if (quote === "'" && value.endsWith("\\")) return fault(escapedQuote);
    if (quote === '"' && value.includes("\\")) return fault(inDoubleQuotes("backslash"));
    // The quote may have been meant to close earlier, so the lines between are read on their own.
    const where = last === at ? "" : ` on line ${next}, where the quote closes`;
    return fault(`expected nothing but a comment after the closing ${quote}, got text${where}`);
  }
  if (value.includes("\r")) {
    return fault("expected plain line ends inside quotes, got a carriage return", next);
  }
  if (quote === "'") {
    if (value.endsWith("\\")) return fault(escapedQuote, next);
  } else if (/[\\$]/u.test(value)) {
    return fault(inDoubleQuotes(value.includes("\\") ? "backslash" : "$"), next);
  }
  return { kind: "assignment", name, value, next };
}

const escapedQuote = "expected no backslash before a single quote (leave the quotes out), got one";

function inDoubleQuotes(found: string): string {
  return `expected single quotes around a value with a ${found}, got double quotes`;
}

/** Both readers end an unquoted value where a # follows a space. */
function beforeComment(rest: string): string {
  const hash = rest.indexOf("#");
  const commented = hash > 0 && rest[hash - 1] === " " && rest.slice(0, hash).trim() !== "";
  return trimSpaces(commented ? rest.slice(0, hash) : rest);
}

function trimSpaces(text: string): string {
  return text.replace(/^ +/u, "").replace(/ +$/u, "");
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** dotenv sees a new line where Compose sees none. */
function separated(text: string): boolean {
  return /[\r\u2028\u2029]/u.test(text);
}

/**
 * The text of an env file with one assignment written anew where it stands, or added at its
 * end with what it is for; the rest stays byte for byte.
 * @throws Problem USAGE for a value that no form of an env file brings back byte for byte
 */
export function writeAssignment(text: string, name: SettingName, value: string): string {
  const quoted = quoteEnvValue(value);
  if (quoted === undefined) {
    throw new Problem(
      "USAGE",
      `${name}: expected a value that an env file can hold, got one with quotes and $ or line ends`,
    );
  }
  const statement = `${name}=${quoted}`;
  const lines = text.replace(/^\ufeff/u, "").split("\n");
  for (let from = 0; from < lines.length;) {
    const found = readStatement(lines, from);
    if (found.kind === "assignment" && found.name === name) {
      return [...lines.slice(0, from), statement, ...lines.slice(found.next)].join("\n");
    }
    from = found.next;
  }
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}\n# ${settingDefinitions[name].description}\n${statement}\n`;
}

/**
 * Writes a value as it may stand after `NAME=` in an env file: bare where that is enough,
 * else in single, else in double quotes.
 * @returns undefined when no form is read back byte for byte by every reader, as with a
 *   value that holds both ' and a $ that would be expanded
 */
export function quoteEnvValue(value: string): string | undefined {
  const forms = [value, `'${value}'`, `"${value}"`];
  // Judged by the reader itself, so that writer and reader cannot drift apart.
  return forms.find((form) => {
    const { assignments, faults } = parseEnvFile(`A=${form}\n`, "");
    return faults.length === 0 && assignments.length === 1 && assignments[0]?.value === value;
  });
}

/** A command that a fault's text ends with. */
const secretsCommand = /; (npm run secrets -- .*)$/u;

/**
 * Tells all faults at once, in the order of the files and their lines.
 * @param places the files, lowest layer first
 * @throws Problem SETTINGS_INVALID unless there is none
 */
export function assertNoFaults(
  environment: EnvironmentName,
  faults: readonly Fault[],
  places: readonly string[],
): void {
  if (faults.length === 0) return;
  const placeOf = (fault: Fault) => places.indexOf(fault.file);
  const ordered = faults.toSorted((a, b) => placeOf(a) - placeOf(b) || a.line - b.line);
  const [cure, ...others] = new Set(faults.map(({ text }) => secretsCommand.exec(text)?.[1]));
  const count = faults.length === 1 ? "1 setting is" : `${faults.length} settings are`;
  throw new Problem("SETTINGS_INVALID", `${count} not usable`, {
    details: ordered.map(({ file, line, text }) =>
      line === 0 ? `${file}: ${text}` : `${file}:${line}: ${text}`,
    ),
    // One command that cures them all, where there is one.
    next: others.length === 0 && cure !== undefined ? cure : `npm run settings -- ${environment}`,
  });
}
