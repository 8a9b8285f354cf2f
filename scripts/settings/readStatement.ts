/** What one logical line of an env file says; `next` is the index of the line to go on with. */
export type Statement =
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
export function readStatement(lines: readonly string[], at: number): Statement {
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
