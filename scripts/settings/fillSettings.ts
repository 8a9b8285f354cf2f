/** What a name in `${NAME}` stands for: "" for one that is declared and not set. */
export type Lookup = (name: string) => { value: string; secret: boolean } | undefined;

/**
 * Writes settings into a text in place of `${NAME}`. A secret stays as it is, for the
 * program that reads the text to take from its own environment; so does `$$`. Any other
 * value has its `$` doubled, which Compose and the collector both read as one.
 * @param unknown collects the names that no setting declares, and every other form of `$`:
 *   Compose would fill `$NAME` or `${NAME:-x}` from its process environment
 */
export function fillSettings(text: string, lookup: Lookup, unknown: Set<string>): string {
  return text.replace(
    /\$\$|\$\{([A-Z][A-Z0-9_]*)\}|\$\{?[\w:?-]*/g,
    (whole, name: string | undefined) => {
      if (whole === "$$") return whole;
      if (name === undefined) {
        unknown.add(whole);
        return whole;
      }
      const found = lookup(name);
      if (found === undefined) unknown.add(name);
      return found?.secret ? whole : (found?.value ?? "").replaceAll("$", "$$$$");
    },
  );
}
