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
