/** Shorter values would blank out ordinary words; settings refuse such secrets outside dev. */
const shortestSecret = 6;

/**
 * Replaces every secret value in a text, also in the forms in which other programs
 * print it (JSON-escaped, percent-encoded, base64, also as a part of what was encoded).
 * @param secrets the values themselves
 * @returns a function from a text to the same text without them
 */
export function redaction(secrets: Iterable<string>): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < shortestSecret) continue;
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    forms.add(encodeURIComponent(secret));
    for (const form of base64Forms(secret)) forms.add(form);
  }
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((masked, form) => masked.replaceAll(form, "••••••"), text);
}

/**
 * What a secret looks like within base64, as in `user:password` of an Authorization header: three
 * bytes become four characters, so it depends on where it begins. Characters that also hold bits of
 * its neighbours are left out.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const whole = [bytes.toString("base64"), bytes.toString("base64url")];
  const within = [0, 1, 2].flatMap((before) => {
    const shifted = Buffer.concat([Buffer.alloc(before), bytes]);
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor((shifted.length * 8) / 6);
    return (["base64", "base64url"] as const).map((kind) =>
      shifted.toString(kind).slice(first, last),
    );
  });
  return [...whole, ...within];
}

/** Control characters, and those that reverse the order in which text is shown (Unicode UAX #9). */
const controls = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text that a terminal only shows: what a container, a server or a database wrote could otherwise
 * move the cursor, rewrite lines or fill the clipboard. New lines and tabs stay.
 */
export function plainText(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(controls, (one) => (one === "\n" || one === "\t" ? one : "\ufffd"));
}

/** The same object as one line of JSON, in which such characters are escaped. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(
    controls,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
