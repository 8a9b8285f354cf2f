/** Shorter values would blank out ordinary words; settings refuse such secrets outside dev. */
const shortestSecret = 6;

/**
 * Replaces every secret value in a text, also in the forms in which other programs
 * print it (JSON-escaped, percent-encoded, base64).
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
    forms.add(Buffer.from(secret).toString("base64"));
  }
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((masked, form) => masked.replaceAll(form, "••••••"), text);
}
