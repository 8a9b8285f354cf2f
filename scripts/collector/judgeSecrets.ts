import { compare } from "semver";
import type { Lookup } from "../settings/fillSettings.ts";
import { listTexts } from "./listTexts.ts";
import type { Section } from "./readFragment.ts";

/** From here on what an environment variable holds is looked through for `$` as well. */
const expandsValues = "0.104.0";

/**
 * Whether each secret can reach what it is for unchanged: the collector reads it from its
 * environment, and sends it in a header. All that arrived at 0.96.0 and at 0.161.0 as it was:
 * a single $, #, ', ", %, :, @, /, leading zeros, what looks like a number, a list or null.
 * @returns one line for each that cannot, never with the value
 */
export function judgeSecrets(
  configuration: Section,
  places: ReadonlyMap<string, string>,
  lookup: Lookup,
  version: string,
): string[] {
  return listTexts(configuration).flatMap(({ path, text }) =>
    [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].flatMap(([, name = ""]) => {
      const value = lookup(name)?.value ?? "";
      const fault = faultOf(value, path.includes(".headers."), version);
      return fault === undefined ? [] : [`${places.get(path) ?? path}: ${name}: ${fault}`];
    }),
  );
}

function faultOf(value: string, grpcHeader: boolean, version: string): string | undefined {
  if (compare(version, expandsValues) >= 0 && /\$\$|\$\{/.test(value)) {
    return `expected none of $$ and \${, got one: the collector from ${expandsValues} on changes it`;
  }
  if (/\p{Cc}/u.test(value)) return "expected no control character, got one: no header carries it";
  if (value !== value.trim()) return "expected no space at its ends, got one: a header loses it";
  if (grpcHeader && /[^\u0020-\u007e]/.test(value)) {
    return "expected ASCII, got more: no header of gRPC carries it";
  }
  return undefined;
}
