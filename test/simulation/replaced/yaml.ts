// yaml, asked once for the same text or the same values. Stacks that differ only in the releases of
// their labels count as the same: those are taken out before, and put back in afterwards.
import { Document as RealDocument, parse as real, visit as realVisit, type visitor } from "yaml";
import { memo } from "../memo.ts";
import { cloned } from "../cloned.ts";
import { digestOf } from "./labelKey.ts";

export * from "yaml";

const label = "letta-stack.release";
const anyRelease = "000000";
const inText = new RegExp(`(${label}: ")(\\d{6})(?=")`, "g");
const inJson = new RegExp(`("${label}":")(\\d{6})(?=")`, "g");

/** @returns the text with one release in all of its labels, and the releases in their order */
function withoutReleases(text: string, pattern: RegExp): { whole: string; releases: string[] } {
  const releases: string[] = [];
  const whole = text.replace(pattern, (_all, before: string, release: string) => {
    releases.push(release);
    return before + anyRelease;
  });
  return { whole, releases };
}

const read = memo(
  (text: string, options: object) => real(text, options) as unknown,
  (text, options) => digestOf(text) + JSON.stringify(options),
);

/** @returns what is the caller's own: it may change it */
export function parse(text: string, options: object = {}): unknown {
  const { whole, releases } = withoutReleases(text, inText);
  const value = cloned(read(whole, options));
  if (releases.length === 0) return value;
  const { services = {} } = value as { services?: Record<string, Labelled> };
  let at = 0;
  for (const { labels } of Object.values(services)) {
    if (labels?.[label] === anyRelease) labels[label] = releases[at++]!;
  }
  // A release that stands anywhere else, such as in a configuration, is not to be guessed.
  return at === releases.length ? value : (real(text, options) as unknown);
}

interface Labelled {
  readonly labels?: Record<string, string>;
}

/** A document that is written, and not changed after it was visited. */
export class Document {
  readonly value: unknown;
  readonly options: object;
  visitors: visitor[] = [];

  constructor(value: unknown, options: object = {}) {
    this.value = value;
    this.options = options;
  }

  toString(options: object = {}): string {
    const { whole, releases } = withoutReleases(JSON.stringify(this.value), inJson);
    let at = 0;
    const text = written(whole, this, options);
    const own = text.replace(inText, (_all, before: string) => before + releases[at++]!);
    if (at === releases.length) return own;
    return writeOut(this.value, this, options);
  }
}

const written = memo(
  (json: string, document: Document, options: object) =>
    writeOut(JSON.parse(json), document, options),
  (json, document, options) =>
    digestOf(json) + JSON.stringify([document.options, options, document.visitors.length]),
);

function writeOut(value: unknown, { options, visitors }: Document, how: object): string {
  const document = new RealDocument(value, options);
  for (const one of visitors) realVisit(document, one);
  return document.toString(how);
}

export function visit(document: Document, one: visitor): void {
  document.visitors.push(one);
}
