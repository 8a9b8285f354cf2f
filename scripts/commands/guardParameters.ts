import type { StepParameters } from "../common/reporter.ts";

/** What an attribute of a span may be. */
type Shown = string | number | boolean;

/** Names, in small letters without their `_`, whose values are left out: secrets, and bulk. */
const secret =
  /pass(word|wd|phrase)|secret|token|credential|authori[sz]ation|cookie|pguri|dsn|(api|access|private|ingestion|encryption)key/;
const bulk = new Set(
  (
    "agentstate messages content contents sourcecode embedding embeddings body data document dump env " +
    "environment logs output processenvironment rows script settings sql stderr stdout text"
  ).split(" "),
);

const longest = 1024;
const longestOfAll = 8 * longest;
/** Beyond this a value is not even looked through. */
const mostCharacters = 1_000_000;
const mostParts = 10_000;

/**
 * Makes parameters fit for a span: names that may hold secrets or bulk are left out, at any
 * depth, and so is what is null; texts go through `hide` before they are cut, so that no half of a secret stays; what
 * cannot be serialised becomes a marker. Never throws.
 * @returns attributes by name; a cut one ends with its whole length
 */
export function guardParameters(
  parameters: StepParameters,
  hide: (text: string) => string,
): Readonly<Record<string, Shown>> {
  const shown: Record<string, Shown> = {};
  let left = longestOfAll;
  for (const name of namesOf(parameters)) {
    if (isLeftOut(name)) continue;
    try {
      const value = show(parameters[name], hide, Math.min(longest, left));
      if (value === undefined) continue;
      left = Math.max(0, left - String(value).length);
      shown[name] = value;
    } catch {
      shown[name] = "<cannot be serialised>";
    }
  }
  return shown;
}

/**
 * Hides and cuts one text, for all that goes into a span.
 * @param most characters that stay
 */
export function guardText(text: string, hide: (text: string) => string, most = longest): string {
  if (text.length > mostCharacters) return `<${text.length} characters>`;
  const hidden = hide(text);
  if (hidden.length <= most) return hidden;
  return `${hidden.slice(0, most).toWellFormed()}… (${hidden.length} characters)`;
}

function namesOf(parameters: StepParameters): string[] {
  try {
    return Object.keys(parameters);
  } catch {
    return [];
  }
}

function isLeftOut(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[^a-z]/g, "");
  return bulk.has(plain) || secret.test(plain);
}

function show(value: unknown, hide: (text: string) => string, most: number): Shown | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean" || Number.isFinite(value)) return value as Shown;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return guardText(value, hide, most);
  let parts = 0;
  const text = JSON.stringify(value, function (this: Record<string, unknown>, name, part: unknown) {
    parts += 1;
    if (parts > mostParts) throw new RangeError("too many parts");
    if (isLeftOut(name)) return undefined;
    // Bytes would become numbers, in which a secret is no longer recognised.
    const whole = this[name];
    if (ArrayBuffer.isView(whole)) return `<${whole.byteLength} bytes>`;
    return typeof part === "string" ? guardText(part, hide) : part;
  }) as string | undefined;
  return text === undefined ? `<${typeof value}>` : guardText(text, hide, most);
}
