import type { Lookup } from "../settings/readSettings.ts";
import { mergeFragments } from "./fragments.ts";

/**
 * Where in otel/ what the collector's own `validate` refuses comes from: its words name a
 * component or a pipeline, and sometimes a key, never a line.
 * @param words what it wrote to its standard error
 * @returns "file:line: path", one for each place that its words name
 */
export function explainRefusal(
  root: string,
  fragments: readonly string[],
  lookup: Lookup,
  words: string,
): string[] {
  const { places } = mergeFragments(root, fragments, lookup);
  const unknown = [...words.matchAll(/invalid keys: ([^\n]+)/g)].flatMap(([, list = ""]) =>
    list.split(/,\s*/).map((key) => key.trim()),
  );
  // Newer versions begin a line with the key whose value they cannot read.
  const unreadable = [...words.matchAll(/^'(\w+)' (?!error reading)/gm)].map(([, key = ""]) => key);
  const keys = unknown.length > 0 ? unknown : unreadable;
  const found = new Set<string>();
  for (const path of named(words)) {
    // The words may go deeper than a fragment does, so from the whole path to its beginning.
    const parts = path.split(".");
    const known = parts
      .map((_, index) => parts.slice(0, parts.length - index).join("."))
      .find((one) => one.includes(".") && places.has(one));
    if (known === undefined) continue;
    const inside = [...places.keys()].filter(
      (one) => one.startsWith(`${known}.`) && keys.some((key) => one.endsWith(`.${key}`)),
    );
    for (const one of inside.length > 0 ? inside : [known]) found.add(`${places.get(one)}: ${one}`);
  }
  return [...found];
}

/** The paths that the collector's words name: `exporters::x::y`, or `'exporters' … "x"`. */
function named(words: string): string[] {
  const direct = [...words.matchAll(/\b[a-z_]+(?:::[\w/]+)+/g)].map(([path]) =>
    path.replaceAll("::", "."),
  );
  const reported = [
    ...words.matchAll(
      /'(receivers|processors|exporters|connectors|extensions)'[^"\n]*"([^"\n]+)"/g,
    ),
  ].map(([, kind, id]) => `${kind}.${id}`);
  const service = [...words.matchAll(/'(service(?:\.\w+)+)'/g)].map(([, path = ""]) => path);
  return [...reported, ...service, ...direct];
}

/**
 * The environment in which the collector's `validate --config env:CONFIGURATION` reads a composed
 * configuration in a container of nothing but its image: every secret is there, as a placeholder
 * whose value is none, and the queue's directory, whose being there it checks, is `/`.
 * @param text as composeConfiguration made it
 */
export function validationEnvironment(text: string): Record<string, string> {
  const names = new Set(
    [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map(([, name = ""]) => name),
  );
  return {
    CONFIGURATION: text.replaceAll(/^( *directory: )\S+$/gm, "$1/"),
    ...Object.fromEntries([...names].map((name) => [name, "0123456789abcdef0123456789abcdef"])),
  };
}
